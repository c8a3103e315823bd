/*===- message.c - Failures that say what, against what, and what to do ---===*
 *
 * The texts behind the status codes. Messages may quote names out of files that
 * nobody has vouched for, so everything quoted is cut to a length that leaves
 * room for the rest, and cleaned of what a terminal should not see.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *fm_status_name(fm_status status) {
  switch (status) {
  case FM_OK:
    return "ok";
  case FM_ERROR_ARGUMENT:
    return "argument";
  case FM_ERROR_SAMPLES:
    return "samples";
  case FM_ERROR_LABEL:
    return "label";
  case FM_ERROR_MEMORY:
    return "memory";
  case FM_ERROR_IO:
    return "io";
  case FM_ERROR_FORMAT:
    return "format";
  case FM_ERROR_MISMATCH:
    return "mismatch";
  case FM_ERROR_INTERNAL:
    return "internal";
  }
  return "unknown";
}

const char *fm_message(const fm_instance *instance) {
  return instance ? instance->message : "no instance: null pointer";
}

/* The bytes of the UTF-8 character at `at`, 0 if there is none (Unicode 15,
 * table 3-7: no overlong forms, no surrogates, at most U+10FFFF). */
size_t fmrt_character_size(const char *at, size_t left) {
  unsigned char first = (unsigned char)at[0], low = 0x80, high = 0xBF;
  size_t size, i;
  if (first < 0x80)
    return 1;
  if (first >= 0xC2 && first <= 0xDF)
    size = 2;
  else if (first >= 0xE0 && first <= 0xEF)
    size = 3;
  else if (first >= 0xF0 && first <= 0xF4)
    size = 4;
  else
    return 0;
  if (first == 0xE0)
    low = 0xA0;
  if (first == 0xED)
    high = 0x9F;
  if (first == 0xF0)
    low = 0x90;
  if (first == 0xF4)
    high = 0x8F;
  if (size > left)
    return 0;
  for (i = 1; i < size; ++i, low = 0x80, high = 0xBF)
    if ((unsigned char)at[i] < low || (unsigned char)at[i] > high)
      return 0;
  return size;
}

fm_status fmrt_fail(fm_instance *instance, fm_status status, const char *format,
                    ...) {
  va_list arguments;
  size_t size, i, step;
  va_start(arguments, format);
  vsnprintf(instance->message, sizeof instance->message, format, arguments);
  va_end(arguments);
  /* A cut must not leave half a character. */
  size = strlen(instance->message);
  for (i = 0; i < size; i += step) {
    step = fmrt_character_size(instance->message + i, size - i);
    if (!step) {
      instance->message[i] = 0;
      break;
    }
  }
  return status;
}

/* Copies `size` bytes, which fit, with '?' for what is not to be shown. */
static void copyClean(char *out, const char *bytes, size_t size) {
  size_t i, step, used = 0;
  for (i = 0; i < size; i += step ? step : 1) {
    step = fmrt_character_size(bytes + i, size - i);
    if (step == 0 || (unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7F)
      out[used++] = '?';
    else {
      memcpy(out + used, bytes + i, step);
      used += step;
    }
  }
  out[used] = 0;
}

static int isContinuation(char byte) {
  return ((unsigned char)byte & 0xC0) == 0x80;
}

const char *fmrt_head(fmrt_text *out, const char *bytes, size_t size) {
  const size_t room = sizeof out->text - 4;
  size_t cut = size;
  if (size > room)
    for (cut = room; cut > 0 && isContinuation(bytes[cut]); --cut)
      ;
  copyClean(out->text, bytes, cut);
  if (cut < size)
    strcat(out->text, "...");
  return out->text;
}

const char *fmrt_name(fmrt_text *out, const char *name) {
  return name ? fmrt_head(out, name, strlen(name)) : "(null)";
}

const char *fmrt_tail(fmrt_text *out, const char *bytes, size_t size) {
  const size_t room = sizeof out->text - 4;
  size_t start = size > room ? size - room : 0;
  while (start > 0 && start < size && isContinuation(bytes[start]))
    ++start;
  strcpy(out->text, start ? "..." : "");
  copyClean(out->text + strlen(out->text), bytes + start, size - start);
  return out->text;
}

const char *fmrt_shape(fmrt_text *out, const int64_t *shape, int32_t rank) {
  size_t used;
  int32_t i;
  strcpy(out->text, "[");
  for (i = 0; i < rank; ++i) {
    used = strlen(out->text);
    if (used > sizeof out->text - 29) { /* ", ", 20 digits, ", ...", "]" */
      strcat(out->text, ", ...");
      break;
    }
    snprintf(out->text + used, sizeof out->text - used, "%s%lld", i ? ", " : "",
             (long long)shape[i]);
  }
  strcat(out->text, "]");
  return out->text;
}

fm_status fmrt_check_bound(fm_instance *instance) {
  if (!instance)
    return FM_ERROR_ARGUMENT;
  if (!instance->model || !instance->memory)
    return fmrt_fail(instance, FM_ERROR_ARGUMENT,
                     "the instance is not bound to memory: call fm_bind first");
  return FM_OK;
}
