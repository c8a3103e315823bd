/*===- json.c - As much JSON as a safetensors header may have -------------===*
 *
 * Strings, whole numbers and arrays of these, read from bytes nobody has
 * vouched for. Strict (RFC 8259, and less of it): UTF-8 only, no control
 * characters, no lone surrogates, no signs, fractions or exponents. Nothing
 * recurses and nothing allocates: strings are unescaped where they stand, as no
 * escape is shorter than what it means.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"

#include <string.h>

fm_status fmrt_json_fail(fmrt_json *json, const char *expected) {
  return fmrt_fail(json->instance, FM_ERROR_FORMAT,
                   "%s: damaged, or not a safetensors file: byte %lld of the "
                   "header: expected %s; use another copy",
                   json->where, (long long)(json->at - json->start), expected);
}

int fmrt_json_equals(fmrt_string text, const char *name) {
  return text.size == strlen(name) && memcmp(text.data, name, text.size) == 0;
}

void fmrt_json_space(fmrt_json *json) {
  while (json->at < json->end && (*json->at == ' ' || *json->at == '\n' ||
                                  *json->at == '\t' || *json->at == '\r'))
    ++json->at;
}

int fmrt_json_take(fmrt_json *json, char symbol) {
  fmrt_json_space(json);
  if (json->at == json->end || *json->at != symbol)
    return 0;
  ++json->at;
  return 1;
}

int32_t fmrt_json_hex(const char *at, const char *end) {
  int32_t value = 0;
  int i, digit;
  if (end - at < 4)
    return -1;
  for (i = 0; i < 4; ++i) {
    if (at[i] >= '0' && at[i] <= '9')
      digit = at[i] - '0';
    else if (at[i] >= 'a' && at[i] <= 'f')
      digit = at[i] - 'a' + 10;
    else if (at[i] >= 'A' && at[i] <= 'F')
      digit = at[i] - 'A' + 10;
    else
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

static size_t encode(uint32_t code, char *out) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (char)(0xC0 | (code >> 6));
    out[1] = (char)(0x80 | (code & 63));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (char)(0xE0 | (code >> 12));
    out[1] = (char)(0x80 | ((code >> 6) & 63));
    out[2] = (char)(0x80 | (code & 63));
    return 3;
  }
  out[0] = (char)(0xF0 | (code >> 18));
  out[1] = (char)(0x80 | ((code >> 12) & 63));
  out[2] = (char)(0x80 | ((code >> 6) & 63));
  out[3] = (char)(0x80 | (code & 63));
  return 4;
}

/* Unescapes what follows a backslash to `out`, never longer than what it takes.
 * Bytes written, 0: no escape. */
static size_t readEscape(fmrt_json *json, char *out) {
  static const char symbols[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  const char *found;
  int32_t high, low;
  if (json->at == json->end)
    return 0;
  if (*json->at == 'u') {
    high = fmrt_json_hex(json->at + 1, json->end);
    if (high < 0 || (high >= 0xDC00 && high < 0xE000))
      return 0;
    json->at += 5;
    if (high < 0xD800 || high >= 0xE000)
      return encode((uint32_t)high, out);
    if (json->end - json->at < 6 || json->at[0] != '\\' || json->at[1] != 'u')
      return 0;
    low = fmrt_json_hex(json->at + 2, json->end);
    if (low < 0xDC00 || low >= 0xE000)
      return 0;
    json->at += 6;
    return encode(0x10000u + (((uint32_t)high - 0xD800u) << 10) +
                      ((uint32_t)low - 0xDC00u),
                  out);
  }
  found = *json->at ? strchr(symbols, *json->at) : NULL;
  if (!found)
    return 0;
  ++json->at;
  *out = values[found - symbols];
  return 1;
}

fm_status fmrt_json_string(fmrt_json *json, fmrt_string *text) {
  char *out;
  size_t size;
  if (!fmrt_json_take(json, '"'))
    return fmrt_json_fail(json, "a string");
  text->data = out = json->at;
  while (json->at < json->end && *json->at != '"') {
    if (*json->at == '\\') {
      ++json->at;
      size = readEscape(json, out);
      if (!size)
        return fmrt_json_fail(json, "an escape that JSON has");
    } else {
      size = fmrt_character_size(json->at, (size_t)(json->end - json->at));
      if (!size || (unsigned char)*json->at < 0x20)
        return fmrt_json_fail(json, "UTF-8 without control characters");
      memmove(out, json->at, size);
      json->at += size;
    }
    out += size;
  }
  if (json->at == json->end)
    return fmrt_json_fail(json, "the end of a string");
  ++json->at;
  text->size = (size_t)(out - text->data);
  return FM_OK;
}

/* A whole number of at least 0, without sign, fraction or exponent. */
static fm_status readNumber(fmrt_json *json, int64_t *value) {
  const char *first;
  fmrt_json_space(json);
  first = json->at;
  *value = 0;
  for (; json->at < json->end && *json->at >= '0' && *json->at <= '9';
       ++json->at) {
    const int digit = *json->at - '0';
    if (*value > (INT64_MAX - digit) / 10)
      return fmrt_json_fail(json, "a number below 2^63");
    *value = *value * 10 + digit;
  }
  if (json->at == first || (*first == '0' && json->at - first > 1))
    return fmrt_json_fail(json, "a whole number");
  return FM_OK;
}

fm_status fmrt_json_numbers(fmrt_json *json, int64_t *numbers, int32_t most,
                            int32_t *count) {
  int64_t number;
  fm_status status;
  *count = 0;
  if (!fmrt_json_take(json, '['))
    return fmrt_json_fail(json, "an array of numbers");
  if (fmrt_json_take(json, ']'))
    return FM_OK;
  do {
    if ((status = readNumber(json, &number)) != FM_OK)
      return status;
    if (*count < most)
      numbers[*count] = number;
    ++*count; /* at most half of FMRT_MAX_HEADER */
  } while (fmrt_json_take(json, ','));
  return fmrt_json_take(json, ']') ? FM_OK : fmrt_json_fail(json, "',' or ']'");
}
