//===- damaged_checkpoint_test.cpp - Files that must not be believed ------===//
//
// Every prefix of a good file, every flipped bit, and headers that are wrong in
// one place each: fm_load gives a status and a message, and the state stays.
//
//===----------------------------------------------------------------------===//
#include "checkpoint_files.h"
#include "toy_model.h"

#include <gtest/gtest.h>

using namespace toy;

namespace {

class Damaged : public testing::Test {
protected:
  Damaged() {
    EXPECT_EQ(fm_init(*source, 5), FM_OK);
    EXPECT_EQ(fm_save(*source, path.c_str()), FM_OK);
    good = readFile(path);
    header = headerOf(good);
    data = good.substr(8 + header.size());
    EXPECT_EQ(fm_init(*bound, 6), FM_OK);
    before = bound.state();
  }

  /// Loads `bytes`; whatever happens, the state is the old or the whole new.
  fm_status load(const std::string &bytes) {
    writeFile(path, bytes);
    fm_status status = fm_load(*bound, path.c_str());
    if (status != FM_OK) {
      EXPECT_EQ(bound.state(), before);
      EXPECT_FALSE(bound.message().empty());
    } else {
      EXPECT_EQ(bound.state().substr(0, 640), source.state().substr(0, 640));
      EXPECT_EQ(fm_init(*bound, 6), FM_OK);
    }
    return status;
  }
  /// Loads a file with this header and the good data; the message without
  /// "load PATH: ".
  std::string message(const std::string &text, fm_status expected) {
    EXPECT_EQ(load(frame(text) + data), expected) << bound.message();
    return bound.message().substr(
        std::min(bound.message().size(), 7 + path.size()));
  }
  std::string replace(const std::string &from, const std::string &to) {
    return replaced(header, from, to);
  }

  Model toy;
  Bound source{toy.model}, bound{toy.model};
  Folder folder;
  std::string path = folder.file("toy.safetensors");
  std::string good, header, data, before;
};

TEST_F(Damaged, TheGoodFileLoads) { EXPECT_EQ(load(good), FM_OK); }

TEST_F(Damaged, EveryPrefixIsRefused) {
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(load(good.substr(0, size)), FM_ERROR_FORMAT)
        << size << ": " << bound.message();
  EXPECT_EQ(bound.message(),
            "load " + path +
                ": damaged or truncated: 'bytes' has data_offsets 137 to 140, "
                "the file has 139 bytes of data; use another copy");
  EXPECT_EQ(load(good + '\0'), FM_ERROR_FORMAT);
}

TEST_F(Damaged, EveryFlippedBitIsFoundOrHarmless) {
  const size_t firstData = good.size() - data.size();
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    fm_status status = load(bytes);
    // Harmless: the model's name, a digit in upper case, a space.
    EXPECT_TRUE(status == FM_ERROR_FORMAT || status == FM_ERROR_MISMATCH ||
                (status == FM_OK && bit / 8 >= 8 && bit / 8 < firstData))
        << bit << ": " << bound.message();
  }
}

TEST_F(Damaged, ForeignFiles) {
  EXPECT_EQ(load(""), FM_ERROR_FORMAT);
  EXPECT_EQ(bound.message(),
            "load " + path +
                ": truncated, or not a safetensors file: 0 bytes, expected at "
                "least 10; use another copy");
  EXPECT_EQ(load("\x89PNG\r\n\x1A\n and so on, for a while"), FM_ERROR_FORMAT);
  EXPECT_EQ(bound.message(),
            "load " + path +
                ": truncated, or not a safetensors file: it begins with a "
                "header length of 727905341920923785, expected 2 to 23; use "
                "another copy");
  std::string noise;
  uint32_t state = 1;
  for (int i = 0; i < 5000; ++i)
    noise += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  EXPECT_EQ(load(noise), FM_ERROR_FORMAT);
  EXPECT_EQ(message("this is no JSON", FM_ERROR_FORMAT),
            "damaged, or not a safetensors file: byte 1 of the header: "
            "expected '{' at its very beginning; use another copy");
  EXPECT_EQ(
      message(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
              FM_ERROR_MISMATCH),
      "a safetensors file that fmc did not write: __metadata__ lacks "
      "\"fm.fingerprint\"; if its tensors are meant for model toy, save them "
      "with \"fm.fingerprint\": \"0123456789abcdef\" and \"fm.version\": "
      "\"1\"; the model has no tensor 'w'");
  message("{}", FM_ERROR_MISMATCH);
}

TEST_F(Damaged, CheckpointsOfAnotherModel) {
  Model other;
  other.model.name = "other";
  other.model.fingerprint = 0xFEDCBA9876543210u;
  static const int64_t shape[] = {3, 2};
  other.tensor("dense.kernel").shape = shape;
  static const fm_physical_dim physical[] = {{0, 0, 1, 0, 3, 2},
                                             {1, 0, 1, 0, 2, 1}};
  other.tensor("dense.kernel").physical = physical;
  Bound theirs(other.model);
  ASSERT_EQ(fm_init(*theirs, 1), FM_OK) << theirs.message();
  ASSERT_EQ(fm_save(*theirs, path.c_str()), FM_OK);
  EXPECT_EQ(load(readFile(path)), FM_ERROR_MISMATCH);
  EXPECT_EQ(bound.message(),
            "load " + path +
                ": a checkpoint of another model: 'other', fingerprint "
                "fedcba9876543210, expected 'toy', 0123456789abcdef; load it "
                "with the model that saved it; 'dense.kernel' has shape [3, 2] "
                "in the file, [2, 3] in the model");
}

TEST_F(Damaged, DifferencesFromTheModel) {
  const std::string prefix = "not a checkpoint of model toy as it was "
                             "compiled; load it with the model that saved it: ";
  EXPECT_EQ(message(replace("\"counts\"", "\"cOunts\""), FM_ERROR_MISMATCH),
            prefix + "the model has no tensor 'cOunts'");
  EXPECT_EQ(message(replace("\"I32\"", "\"U32\""), FM_ERROR_MISMATCH),
            prefix + "'counts' has dtype U32 in the file, I32 in the model");
  EXPECT_EQ(message(replace("[2,2]", "[4]"), FM_ERROR_MISMATCH),
            prefix + "'counts' has shape [4] in the file, [2, 2] in the model");
  EXPECT_EQ(message(replace("[2,2]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4]"),
                    FM_ERROR_MISMATCH),
            prefix + "'counts' has shape [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "
                     "1, 1, 1, ...] in the file, [2, 2] in the model");
  EXPECT_EQ(message(replace("\"fm.version\":\"1\"", "\"fm.version\":\"2\""),
                    FM_ERROR_MISMATCH),
            "checkpoint version '2', this runtime reads '1'; load it with a "
            "newer fmc");
  size_t at = header.find(",\"seed\"");
  std::string without =
      header.substr(0, at) + header.substr(header.find('}', at) + 1);
  EXPECT_EQ(message(without, FM_ERROR_MISMATCH),
            prefix + "the file has no tensor 'seed'");
}

TEST_F(Damaged, Offsets) {
  // counts I32 [2,2] lies at [112,128], the empty tensor at [128,128].
  EXPECT_EQ(message(replace("[112,128]", "[108,124]"), FM_ERROR_FORMAT),
            "damaged: a tensor's data begins at byte 108, expected 112: the "
            "tensors overlap; use another copy");
  EXPECT_EQ(message(replace("[112,128]", "[112,999999]"), FM_ERROR_FORMAT),
            "damaged or truncated: 'counts' has data_offsets 112 to 999999, "
            "the file has 140 bytes of data; use another copy");
  EXPECT_EQ(message(replace("[112,128]", "[128,112]"), FM_ERROR_FORMAT),
            "damaged or truncated: 'counts' has data_offsets 128 to 112, the "
            "file has 140 bytes of data; use another copy");
  EXPECT_EQ(message(replace("[112,128]", "[112,132]"), FM_ERROR_FORMAT),
            "damaged: 'counts' has 20 bytes, its shape [2, 2] in I32 needs 16; "
            "use another copy");
  EXPECT_EQ(load(frame(header) + data + "tail"), FM_ERROR_FORMAT);
  EXPECT_EQ(bound.message().substr(7 + path.size()),
            "damaged: 144 bytes of data, expected 140; use another copy");
  // A byte between the last two tensors that belongs to nobody.
  EXPECT_EQ(load(frame(replace("[137,140]", "[138,141]")) + data + "x"),
            FM_ERROR_FORMAT);
  EXPECT_EQ(bound.message().substr(7 + path.size()),
            "damaged: a tensor's data begins at byte 138, expected 137: the "
            "tensors leave a hole; use another copy");
}

TEST_F(Damaged, DuplicateKeys) {
  std::string entry = R"("counts":{"dtype":"I32","shape":[2,2],)"
                      R"("data_offsets":[112,128]},)";
  EXPECT_EQ(
      message(replace("\"counts\"", entry + "\"counts\""), FM_ERROR_FORMAT),
      "damaged: 'counts' is there twice; use another copy");
  message(replace("\"dtype\":\"I32\"", R"("dtype":"I32","dtype":"I32")"),
          FM_ERROR_FORMAT);
  message(replace("\"shape\":[2,2]", R"("shape":[2,2],"shape":[2,2])"),
          FM_ERROR_FORMAT);
  message(replace("[112,128]", R"([112,128],"data_offsets":[112,128])"),
          FM_ERROR_FORMAT);
  message(
      replace("\"fm.version\":\"1\"", R"("fm.version":"1","fm.version":"1")"),
      FM_ERROR_FORMAT);
  std::string twice = message(
      replace("\"counts\"", "\"__metadata__\":{},\"counts\""), FM_ERROR_FORMAT);
  EXPECT_NE(twice.find("expected __metadata__ only once"), std::string::npos)
      << twice;
}

TEST_F(Damaged, JsonThatTheFormatDoesNotHave) {
  const std::pair<const char *, const char *> changes[] = {
      {"[2,2]", "[2,-2]"},
      {"[2,2]", "[2,2.0]"},
      {"[2,2]", "[2,2e0]"},
      {"[2,2]", "[02,2]"},
      {"[2,2]", "[2,2,]"},
      {"[2,2]", "[,2]"},
      {"[2,2]", "[2 2]"},
      {"[2,2]", "[2,2"},
      {"[2,2]", "[[2,2]]"},
      {"[2,2]", "null"},
      {"[2,2]", "\"22\""},
      {"[2,2]", "{}"},
      {"[2,2]", "[9223372036854775808,2]"},
      {"[2,2]", "[99999999999999999999999999999999999999,2]"},
      {"[112,128]", "[112]"},
      {"[112,128]", "[112,128,128]"},
      {"[112,128]", "[112,18446744073709551744]"},
      {"\"I32\"", "null"},
      {"\"I32\"", "I32"},
      {"\"I32\"", "\"I32"},
      {"\"dtype\":\"I32\",", ""},
      {"\"dtype\"", "\"Dtype\""},
      {"\"dtype\"", "\"extra\":1,\"dtype\""},
      {"\"fm.version\":\"1\"", "\"fm.version\":1"},
      {"\"fm.version\":\"1\"", "\"fm.version\":{\"a\":\"b\"}"},
      {"\"fm.model\"", "'fm.model'"},
      {"\"toy\"", "\"to\ny\""},
      {"\"toy\"", "\"\\x41\""},
      {"\"toy\"", "\"\\u12G4\""},
      {"\"toy\"", "\"\\uD800\""},        // a lone surrogate
      {"\"toy\"", "\"\\uDC00\\uD800\""}, // the wrong way round
      {"\"toy\"", "\"\\uD800\\u0041\""},
      {"\"toy\"", "\"\xFF\""},
      {"\"toy\"", "\"\xC0\xAF\""},         // overlong
      {"\"toy\"", "\"\xED\xA0\x80\""},     // a surrogate in UTF-8
      {"\"toy\"", "\"\xF4\x90\x80\x80\""}, // beyond U+10FFFF
      {"\"toy\"", "\"\xE2\x82\""},         // cut
      {"0123456789abcdef", "0123456789abcde"},
      {"0123456789abcdef", "0123456789abcdeg"},
      {"{\"__metadata__\"", " {\"__metadata__\""},
      {"{\"__metadata__\"", "[{\"__metadata__\""},
      {"{\"__metadata__\"", "{,\"__metadata__\""},
      {"{\"__metadata__\"", "{/**/\"__metadata__\""},
      {"{\"__metadata__\"", "\xEF\xBB\xBF{\"__metadata__\""},
  };
  for (auto &[from, to] : changes)
    EXPECT_NE(message(replace(from, to), FM_ERROR_FORMAT).find("damaged"),
              std::string::npos)
        << from << " -> " << to << ": " << bound.message();
  message(header + "x", FM_ERROR_FORMAT);
  message(header + "{}", FM_ERROR_FORMAT);
  message(std::string(100000, '['), FM_ERROR_FORMAT);
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100000; ++i)
    deep += "{\"a\":";
  message(deep, FM_ERROR_FORMAT);
}

TEST_F(Damaged, JsonThatTheFormatAllows) {
  message(replace("\"toy\"", R"("\u0074\u00e4\u20ac\uD83D\uDE00\/\"\\\b\f\n")"),
          FM_OK);
  message(replace("\"counts\"", R"("\u0063ounts")"), FM_OK);
  message(replace("[2,2]", " [ 2 ,\n\t2 ]\r"), FM_OK);
  message(replace("\"fm.model\":\"toy\",", ""), FM_OK);
  message(replace("\"fm.model\"", "\"format\":\"pt\",\"fm.model\""), FM_OK);
  message(replace("0123456789abcdef", "0123456789ABCDEF"), FM_OK);
  message(header + std::string(1000, ' '), FM_OK);
  // Other tools may reorder the members, and drop the checksum.
  std::string entry = R"("counts":{"dtype":"I32","shape":[2,2],)"
                      R"("data_offsets":[112,128]},)";
  message(replaced(replace(entry, ""), "\"frozen.bias\"",
                   entry + "\"frozen.bias\""),
          FM_OK);
  size_t checksum = header.find(",\"fm.checksum\"");
  message(header.substr(0, checksum) + header.substr(header.find('}')), FM_OK);
}

TEST_F(Damaged, TheChecksumFindsChangedData) {
  std::string bytes = good;
  bytes.back() ^= 1;
  EXPECT_EQ(load(bytes), FM_ERROR_FORMAT);
  EXPECT_NE(bound.message().find("damaged: the data's checksum is "),
            std::string::npos)
      << bound.message();
}

} // namespace
