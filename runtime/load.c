/*===- load.c - Checkpoints, believed only after every check --------------===*
 *
 * Reads a safetensors file of this model. Header and data are read and checked
 * in memory of their own; the instance changes in the last lines, where nothing
 * can fail any more.
 *
 *===----------------------------------------------------------------------===*/
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct File {
  fm_instance *instance;
  char where[96]; /* "load PATH", for messages */
  int descriptor;
  int64_t bytes; /* of the file */
  char *header;
  unsigned char *data;
  fmrt_place *places;
} File;

static fm_status failSystem(File *file, const char *what) {
  const int error = errno;
  return fmrt_fail(
      file->instance, FM_ERROR_IO,
      "%s: cannot %s: %s (errno %d); check the path and its permissions",
      file->where, what, strerror(error), error);
}

static fm_status failMemory(File *file, int64_t bytes) {
  return fmrt_fail(file->instance, FM_ERROR_MEMORY,
                   "%s: no memory for %lld bytes; free some and load again",
                   file->where, (long long)bytes);
}

/* Exactly `bytes` bytes; fewer: somebody has cut the file since it was opened.
 */
static fm_status readAll(File *file, void *to, int64_t bytes) {
  unsigned char *at = (unsigned char *)to;
  const size_t most = (size_t)1 << 30;
  ssize_t got;
  while (bytes > 0) {
    got = read(file->descriptor, at,
               (uint64_t)bytes < most ? (size_t)bytes : most);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return failSystem(file, "read");
    if (got == 0)
      return fmrt_fail(
          file->instance, FM_ERROR_FORMAT,
          "%s: truncated: %lld bytes fewer than expected; use another copy",
          file->where, (long long)bytes);
    at += got;
    bytes -= got;
  }
  return FM_OK;
}

/* Not blocking: a pipe without a writer must not hang. */
static fm_status openFile(File *file, const char *path) {
  struct stat info;
  file->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file->descriptor < 0)
    return failSystem(file, "open");
  if (fstat(file->descriptor, &info) != 0)
    return failSystem(file, "look at it");
  if (!S_ISREG(info.st_mode))
    return fmrt_fail(file->instance, FM_ERROR_IO,
                     "%s: it is %s, expected a safetensors file", file->where,
                     S_ISDIR(info.st_mode) ? "a directory"
                                           : "a device or a pipe");
  file->bytes = (int64_t)info.st_size;
  return FM_OK;
}

/* Reads the header's length and compares it with the file's. */
static fm_status readLength(File *file, uint64_t *length) {
  fm_status status;
  if (file->bytes < 10)
    return fmrt_fail(file->instance, FM_ERROR_FORMAT,
                     "%s: truncated, or not a safetensors file: %lld bytes, "
                     "expected at least 10; use another copy",
                     file->where, (long long)file->bytes);
  if ((status = readAll(file, length, 8)) != FM_OK)
    return status;
  if (*length < 2 || *length > FMRT_MAX_HEADER ||
      *length > (uint64_t)file->bytes - 8)
    return fmrt_fail(
        file->instance, FM_ERROR_FORMAT,
        "%s: truncated, or not a safetensors file: it begins with a header "
        "length of %llu, expected 2 to %lld; use another copy",
        file->where, (unsigned long long)*length,
        (long long)(file->bytes - 8 < FMRT_MAX_HEADER ? file->bytes - 8
                                                      : FMRT_MAX_HEADER));
  return FM_OK;
}

/* Reads and checks everything, and changes nothing of the state. */
static fm_status readFile(File *file, int64_t *dataBytes) {
  fmrt_checksum sum;
  uint64_t length, expected = 0, found;
  int hasChecksum = 0;
  fm_status status = readLength(file, &length);
  if (status != FM_OK)
    return status;
  *dataBytes = file->bytes - 8 - (int64_t)length;
  file->header = (char *)malloc((size_t)length);
  file->places = (fmrt_place *)malloc(
      ((size_t)file->instance->model->tensor_count + 1) * sizeof *file->places);
  if (!file->header || !file->places)
    return failMemory(file, (int64_t)length);
  if ((status = readAll(file, file->header, (int64_t)length)) != FM_OK ||
      (status = fmrt_read_header(file->instance, file->where, file->header,
                                 (size_t)length, *dataBytes, file->places,
                                 &hasChecksum, &expected)) != FM_OK)
    return status;
  /* The header has been found to describe this model, so the data is as large
   * as the model. */
  file->data = (unsigned char *)malloc((size_t)*dataBytes + 1);
  if (!file->data)
    return failMemory(file, *dataBytes);
  if ((status = readAll(file, file->data, *dataBytes)) != FM_OK || !hasChecksum)
    return status;
  fmrt_checksum_begin(&sum);
  fmrt_checksum_add(&sum, file->data, (size_t)*dataBytes);
  found = fmrt_checksum_end(&sum);
  if (found != expected)
    return fmrt_fail(file->instance, FM_ERROR_FORMAT,
                     "%s: damaged: the data's checksum is %016llx, expected "
                     "%016llx; use another copy, or remove \"%s\" from "
                     "__metadata__ if the data was changed on purpose",
                     file->where, (unsigned long long)found,
                     (unsigned long long)expected, FMRT_KEY_CHECKSUM);
  return FM_OK;
}

fm_status fm_load(fm_instance *instance, const char *path) {
  fmrt_text shown;
  File file;
  int64_t dataBytes = 0;
  int32_t i;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  if (!path)
    return fmrt_fail(
        instance, FM_ERROR_ARGUMENT,
        "load: the path is a null pointer, expected the name of a file");
  memset(&file, 0, sizeof file);
  file.instance = instance;
  file.descriptor = -1;
  snprintf(file.where, sizeof file.where, "load %s",
           fmrt_tail(&shown, path, strlen(path)));
  if ((status = openFile(&file, path)) == FM_OK)
    status = readFile(&file, &dataBytes);
  if (status == FM_OK)
    instance->derived = 0;
  for (i = 0; status == FM_OK && i < instance->model->tensor_count; ++i)
    fmrt_scatter(&instance->model->tensors[i],
                 instance->memory + instance->model->tensors[i].offset,
                 file.data + file.places[i].begin);
  if (file.descriptor >= 0)
    close(file.descriptor);
  free(file.header);
  free(file.places);
  free(file.data);
  return status;
}
