#!/usr/bin/env python3
"""make_images.py FOLDER COUNT: made-up images in MNIST's format: a bright bar
whose row says the class, in noise."""
import random
import struct
import sys

folder, count = sys.argv[1], int(sys.argv[2])
random.seed(1)
for part in ("train", "t10k"):
    labels = bytes(random.randrange(10) for _ in range(count))
    pixels = bytearray()
    for label in labels:
        for row in range(28):
            bright = 150 if row // 3 == label else 0
            pixels += bytes(bright + random.randrange(100) for _ in range(28))
    with open(f"{folder}/{part}-labels-idx1-ubyte", "wb") as file:
        file.write(struct.pack(">II", 0x801, count) + labels)
    with open(f"{folder}/{part}-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, count, 28, 28) + pixels)
