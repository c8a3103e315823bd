/*===- save.c - Checkpoints, written whole or not at all ------------------===*
 *
 * Writes the published safetensors layout: header length (u64), JSON padded
 * with spaces to a multiple of 8 bytes, data. As the reference implementation
 * does, wide dtypes come first, so that all data is aligned. The file is made
 * under another name in the same folder, synced and renamed; the header is
 * written last because it holds the data's checksum.
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

/*===-- Checksum ---------------------------------------------------------===*/

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x100000001b3u;
  return hash ^ hash >> 32;
}

void fmrt_checksum_begin(fmrt_checksum *sum) {
  sum->hash = 0xcbf29ce484222325u;
  sum->word = 0;
  sum->filled = 0;
}

void fmrt_checksum_add(fmrt_checksum *sum, const unsigned char *bytes,
                       size_t size) {
  uint64_t word;
  while (size) {
    if (sum->filled == 0 && size >= 8) {
      memcpy(&word, bytes, 8);
      sum->hash = mix(sum->hash, word);
      bytes += 8;
      size -= 8;
      continue;
    }
    sum->word |= (uint64_t)*bytes++ << 8 * sum->filled++;
    --size;
    if (sum->filled == 8) {
      sum->hash = mix(sum->hash, sum->word);
      sum->word = 0;
      sum->filled = 0;
    }
  }
}

uint64_t fmrt_checksum_end(fmrt_checksum *sum) {
  return sum->filled ? mix(sum->hash, sum->word) : sum->hash;
}

/*===-- The header -------------------------------------------------------===*/

/* Text that is counted first and written into memory of that size after. */
typedef struct Sink {
  char *text; /* null: only count */
  size_t size;
} Sink;

static void put(Sink *sink, const char *text) {
  const size_t size = strlen(text);
  if (sink->text)
    memcpy(sink->text + sink->size, text, size);
  sink->size += size;
}

/* A JSON string; a name that is not UTF-8 gets '?' for the bytes that are not.
 */
static void putString(Sink *sink, const char *text) {
  const char *end = text + strlen(text);
  char piece[8];
  size_t size;
  put(sink, "\"");
  for (; text < end; text += size ? size : 1) {
    size = fmrt_character_size(text, (size_t)(end - text));
    if (size == 0) {
      strcpy(piece, "?");
    } else if (*text == '"' || *text == '\\') {
      piece[0] = '\\';
      piece[1] = *text;
      piece[2] = 0;
    } else if ((unsigned char)*text < 0x20) {
      snprintf(piece, sizeof piece, "\\u%04x", (unsigned)(unsigned char)*text);
    } else {
      memcpy(piece, text, size);
      piece[size] = 0;
    }
    put(sink, piece);
  }
  put(sink, "\"");
}

static void putTensor(Sink *sink, const fm_tensor *tensor, int64_t begin) {
  char text[64];
  int32_t i;
  putString(sink, tensor->name);
  put(sink, ":{\"dtype\":\"");
  put(sink, fmrt_dtype_name(tensor->dtype));
  put(sink, "\",\"shape\":[");
  for (i = 0; i < tensor->rank; ++i) {
    snprintf(text, sizeof text, "%s%lld", i ? "," : "",
             (long long)tensor->shape[i]);
    put(sink, text);
  }
  snprintf(text, sizeof text, "],\"data_offsets\":[%lld,%lld]}",
           (long long)begin, (long long)(begin + fmrt_logical_bytes(tensor)));
  put(sink, text);
}

/* The next tensor to write after `number` (-1: none yet), or tensor_count:
 * those of 8 bytes an element, then 4, then 1, each in the order of the table.
 */
static int32_t nextTensor(const fm_model *model, int32_t number) {
  int64_t size = number < 0 ? 8 : fmrt_dtype_size(model->tensors[number].dtype);
  for (; size; size = size == 8 ? 4 : size == 4 ? 1 : 0, number = -1)
    while (++number < model->tensor_count)
      if (fmrt_dtype_size(model->tensors[number].dtype) == size)
        return number;
  return model->tensor_count;
}

/* Length, JSON and padding. */
static void putHeader(Sink *sink, const fm_model *model, uint64_t checksum,
                      size_t jsonSize) {
  const uint64_t length = jsonSize;
  const size_t start = sink->size;
  int64_t begin = 0;
  int32_t i;
  char text[96];
  if (sink->text)
    memcpy(sink->text + sink->size, &length, 8);
  sink->size += 8;
  put(sink, "{\"__metadata__\":{\"" FMRT_KEY_MODEL "\":");
  putString(sink, model->name);
  snprintf(text, sizeof text, ",\"" FMRT_KEY_FINGERPRINT "\":\"%016llx\"",
           (unsigned long long)model->fingerprint);
  put(sink, text);
  snprintf(text, sizeof text,
           ",\"" FMRT_KEY_VERSION "\":\"" FMRT_FORMAT_VERSION "\"");
  put(sink, text);
  snprintf(text, sizeof text, ",\"" FMRT_KEY_CHECKSUM "\":\"%016llx\"}",
           (unsigned long long)checksum);
  put(sink, text);
  for (i = nextTensor(model, -1); i < model->tensor_count;
       i = nextTensor(model, i)) {
    put(sink, ",");
    putTensor(sink, &model->tensors[i], begin);
    begin += fmrt_logical_bytes(&model->tensors[i]);
  }
  put(sink, "}");
  while ((sink->size - start) % 8)
    put(sink, " ");
}

/*===-- The file ---------------------------------------------------------===*/

enum { BufferBytes = 1 << 18 };

typedef struct File {
  fm_instance *instance;
  const char *path;
  fmrt_text shown; /* the path, for messages */
  char *folder;    /* of the path */
  char *temporary; /* its name while it is written */
  int descriptor;  /* -1: not open */
  int exists;      /* under its temporary name */
  Sink header;
  unsigned char *buffer;
} File;

static fm_status failSystem(File *file, const char *what) {
  const int error = errno;
  return fmrt_fail(
      file->instance, FM_ERROR_IO,
      "save %s: cannot %s: %s (errno %d)%s; what was there is unchanged",
      file->shown.text, what, strerror(error), error,
      error == ENOENT || error == ENOTDIR ? ": make the folder first" : "");
}

static int writeAll(int descriptor, const void *bytes, size_t size) {
  const unsigned char *at = (const unsigned char *)bytes;
  ssize_t written;
  while (size) {
    written = write(descriptor, at, size);
    if (written < 0 && errno != EINTR)
      return 0;
    if (written > 0) {
      at += written;
      size -= (size_t)written;
    }
  }
  return 1;
}

/* What is at the path now must be a regular file, or nothing: rename would
 * replace a device or a pipe as gladly. `mode` becomes its permissions, or -1.
 */
static fm_status checkTarget(File *file, int *mode) {
  struct stat info;
  *mode = -1;
  if (lstat(file->path, &info) != 0)
    return errno == ENOENT ? FM_OK : failSystem(file, "look at it");
  if (S_ISLNK(info.st_mode))
    return FM_OK;
  if (!S_ISREG(info.st_mode))
    return fmrt_fail(
        file->instance, FM_ERROR_IO,
        "save %s: it is %s, expected a file or a free name; choose another",
        file->shown.text,
        S_ISDIR(info.st_mode) ? "a directory" : "a device or a pipe");
  *mode = (int)(info.st_mode & 0777);
  return FM_OK;
}

/* A file under a new name beside the path. open, not mkstemp, so that the
 * process's umask decides on the permissions. */
static fm_status openTemporary(File *file, int mode) {
  const char *slash = strrchr(file->path, '/');
  const size_t size = slash ? (size_t)(slash - file->path) + 1 : 2;
  int attempt;
  file->folder = (char *)malloc(size + 1);
  file->temporary = (char *)malloc(size + 64);
  if (!file->folder || !file->temporary)
    return fmrt_fail(file->instance, FM_ERROR_MEMORY,
                     "save %s: no memory for a path", file->shown.text);
  memcpy(file->folder, slash ? file->path : "./", size);
  file->folder[size] = 0;
  for (attempt = 0; attempt < 1000 && file->descriptor < 0; ++attempt) {
    snprintf(file->temporary, size + 64, "%s.fm-save-%ld-%d.tmp", file->folder,
             (long)getpid(), attempt);
    file->descriptor =
        open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->descriptor < 0 && errno != EEXIST)
      break;
  }
  if (file->descriptor < 0)
    return failSystem(file, "make a temporary file beside it");
  file->exists = 1;
  if (mode >= 0)
    (void)!fchmod(file->descriptor, (mode_t)mode); /* a courtesy */
  return FM_OK;
}

static fm_status writeTensors(File *file, fmrt_checksum *sum) {
  const fm_model *model = file->instance->model;
  int32_t i;
  for (i = nextTensor(model, -1); i < model->tensor_count;
       i = nextTensor(model, i)) {
    const fm_tensor *tensor = &model->tensors[i];
    const int64_t size = fmrt_dtype_size(tensor->dtype),
                  most = BufferBytes / size;
    int64_t left = fmrt_elements(tensor), from = 0, count;
    for (; left; left -= count, from += count) {
      count = left < most ? left : most;
      fmrt_gather(tensor, file->instance->memory + tensor->offset, from, count,
                  file->buffer);
      fmrt_checksum_add(sum, file->buffer, (size_t)(count * size));
      if (!writeAll(file->descriptor, file->buffer, (size_t)(count * size)))
        return failSystem(file, "write");
    }
  }
  return FM_OK;
}

static fm_status writeFile(File *file) {
  const fm_model *model = file->instance->model;
  fmrt_checksum sum;
  fm_status status;
  size_t size;
  putHeader(&file->header, model, 0, 0);
  size = file->header.size;
  if (size - 8 > FMRT_MAX_HEADER)
    return fmrt_fail(file->instance, FM_ERROR_FORMAT,
                     "save %s: the header would have %llu bytes, safetensors "
                     "allows %d; use fewer tensors",
                     file->shown.text, (unsigned long long)(size - 8),
                     FMRT_MAX_HEADER);
  file->header.text = (char *)malloc(size);
  file->buffer = (unsigned char *)malloc(BufferBytes);
  if (!file->header.text || !file->buffer)
    return fmrt_fail(file->instance, FM_ERROR_MEMORY,
                     "save %s: no memory for %llu bytes", file->shown.text,
                     (unsigned long long)size + BufferBytes);
  if (lseek(file->descriptor, (off_t)size, SEEK_SET) < 0)
    return failSystem(file, "seek");
  fmrt_checksum_begin(&sum);
  if ((status = writeTensors(file, &sum)) != FM_OK)
    return status;
  file->header.size = 0;
  putHeader(&file->header, model, fmrt_checksum_end(&sum), size - 8);
  if (lseek(file->descriptor, 0, SEEK_SET) < 0)
    return failSystem(file, "seek");
  if (!writeAll(file->descriptor, file->header.text, size))
    return failSystem(file, "write");
  return FM_OK;
}

/* From the temporary name to the path, durably. */
static fm_status commit(File *file) {
  const int descriptor = file->descriptor;
  int folder, failed;
  if (fsync(descriptor) != 0)
    return failSystem(file, "sync");
  file->descriptor = -1;
  if (close(descriptor) != 0)
    return failSystem(file, "close");
  if (rename(file->temporary, file->path) != 0)
    return failSystem(file, "rename the temporary file");
  file->exists = 0;
  /* Some folders cannot be opened or synced; then the rename is as durable as
   * the file system makes it. */
  folder = open(file->folder, O_RDONLY | O_CLOEXEC);
  if (folder < 0)
    return FM_OK;
  failed = fsync(folder) != 0 && errno == EIO;
  close(folder);
  if (failed)
    return fmrt_fail(file->instance, FM_ERROR_IO,
                     "save %s: the file is written, but its folder cannot be "
                     "synced (EIO); the device may be failing",
                     file->shown.text);
  return FM_OK;
}

fm_status fm_save(fm_instance *instance, const char *path) {
  File file;
  int mode;
  fm_status status = fmrt_check_bound(instance);
  if (status != FM_OK)
    return status;
  if (!path || !path[0])
    return fmrt_fail(instance, FM_ERROR_ARGUMENT,
                     "save: the path is %s, expected the name of a file",
                     path ? "empty" : "a null pointer");
  memset(&file, 0, sizeof file);
  file.instance = instance;
  file.path = path;
  file.descriptor = -1;
  fmrt_tail(&file.shown, path, strlen(path));
  if ((status = checkTarget(&file, &mode)) == FM_OK &&
      (status = openTemporary(&file, mode)) == FM_OK &&
      (status = writeFile(&file)) == FM_OK)
    status = commit(&file);
  if (file.descriptor >= 0)
    close(file.descriptor);
  if (file.exists)
    unlink(file.temporary);
  free(file.folder);
  free(file.temporary);
  free(file.header.text);
  free(file.buffer);
  return status;
}
