#!/usr/bin/env python3
"""Reads a safetensors file by its published layout and prints what is in it.

Independent of the runtime: struct and json only. Checks what the format's
documentation asks for (github.com/huggingface/safetensors) and prints one line
for each key of __metadata__ and for each tensor, in the order of the data.
"""
import json
import struct
import sys

DTYPES = {"F32": "f", "F64": "d", "I32": "i", "I64": "q", "I8": "b", "BOOL": "?"}


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), "duplicate keys"
    return dict(pairs)


with open(sys.argv[1], "rb") as file:
    raw = file.read()
(length,) = struct.unpack_from("<Q", raw)
text = raw[8 : 8 + length].decode("utf-8")
assert len(text.encode()) == length and text[0] == "{" and length % 8 == 0
header = json.loads(text, object_pairs_hook=no_duplicates)
data = raw[8 + length :]

metadata = header.pop("__metadata__")
for key, value in metadata.items():
    assert isinstance(value, str)
    print(key, value if key != "fm.checksum" else "(16 digits)")

end = 0
for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
    assert set(info) == {"dtype", "shape", "data_offsets"}
    begin, stop = info["data_offsets"]
    assert begin == end, "a hole or an overlap"
    end = stop
    code = DTYPES[info["dtype"]]
    count = 1
    for extent in info["shape"]:
        count *= extent
    assert stop - begin == count * struct.calcsize("<" + code)
    assert begin % struct.calcsize("<" + code) == 0, "not aligned"
    values = struct.unpack("<%d%s" % (count, code), data[begin:stop])
    print(name, info["dtype"], info["shape"], list(values))
assert end == len(data)

# The checksum, from its definition in the runtime's documentation.
digest = 0xCBF29CE484222325
padded = data + bytes(-len(data) % 8)
for (word,) in struct.iter_unpack("<Q", padded):
    digest = ((digest ^ word) * 0x100000001B3) % 2**64
    digest ^= digest >> 32
assert metadata["fm.checksum"] == "%016x" % digest
