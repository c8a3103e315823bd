/*===- header.c - The header of a safetensors file ------------------------===*
 *
 * A strict reader for exactly the JSON that the published layout allows
 * (github.com/huggingface/safetensors): one object of tensors, each with dtype,
 * shape and data_offsets, and one of strings called __metadata__. It reads
 * bytes nobody has vouched for: nothing recurses, every number is bounded, and
 * whatever else JSON could say is an error. What the file says is compared with
 * the model as it is read; the first difference is remembered and reported once
 * the whole header is known to be well-formed, because the fingerprint may give
 * a better reason.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Reader {
  fmrt_json json;
  fm_instance *instance;
  const fm_model *model;
  const char *where;
  int64_t dataBytes;
  fmrt_place *places;
  int32_t expected; /* the tensor that follows the last one found */
  int hasMetadata;
  fmrt_string modelName, fingerprint, version,
      checksum;         /* data null: not there */
  char difference[256]; /* the first one; "": none */
} Reader;

/*===-- The members ------------------------------------------------------===*/

static fm_status readMetadata(Reader *reader) {
  fmrt_string key, value, *slot;
  fm_status status;
  if (reader->hasMetadata)
    return fmrt_json_fail(&reader->json, "__metadata__ only once");
  reader->hasMetadata = 1;
  if (!fmrt_json_take(&reader->json, '{'))
    return fmrt_json_fail(&reader->json, "an object of strings");
  if (fmrt_json_take(&reader->json, '}'))
    return FM_OK;
  do {
    if ((status = fmrt_json_string(&reader->json, &key)) != FM_OK)
      return status;
    if (!fmrt_json_take(&reader->json, ':'))
      return fmrt_json_fail(&reader->json, "':'");
    if ((status = fmrt_json_string(&reader->json, &value)) != FM_OK)
      return status;
    slot = fmrt_json_equals(key, FMRT_KEY_MODEL)         ? &reader->modelName
           : fmrt_json_equals(key, FMRT_KEY_FINGERPRINT) ? &reader->fingerprint
           : fmrt_json_equals(key, FMRT_KEY_VERSION)     ? &reader->version
           : fmrt_json_equals(key, FMRT_KEY_CHECKSUM)    ? &reader->checksum
                                                         : NULL;
    if (slot && slot->data)
      return fmrt_json_fail(&reader->json,
                            "each key of __metadata__ only once");
    if (slot)
      *slot = value;
  } while (fmrt_json_take(&reader->json, ','));
  return fmrt_json_take(&reader->json, '}')
             ? FM_OK
             : fmrt_json_fail(&reader->json, "',' or '}'");
}

/* The tensor of that name, usually the one after the last; -1: none. */
static int32_t findTensor(const Reader *reader, fmrt_string name) {
  int32_t i, number;
  for (i = 0; i < reader->model->tensor_count; ++i) {
    number = (int32_t)(((int64_t)reader->expected + i) %
                       reader->model->tensor_count);
    if (fmrt_json_equals(name, reader->model->tensors[number].name))
      return number;
  }
  return -1;
}

/* Compares an entry with the model. Its offsets must fit its own dtype and
 * shape in any case; a difference from the model is only noted. */
static fm_status checkEntry(Reader *reader, fmrt_string name, fmrt_string dtype,
                            const int64_t *shape, int32_t rank,
                            const int64_t *offsets) {
  const int32_t number = findTensor(reader, name);
  const fm_tensor *tensor;
  fmrt_text shown, here, there;
  fmrt_head(&shown, name.data, name.size);
  if (offsets[0] > offsets[1] || offsets[1] > reader->dataBytes)
    return fmrt_fail(reader->instance, FM_ERROR_FORMAT,
                     "%s: damaged or truncated: '%s' has data_offsets %lld to "
                     "%lld, the file has %lld bytes of data; use another copy",
                     reader->where, shown.text, (long long)offsets[0],
                     (long long)offsets[1], (long long)reader->dataBytes);
  if (number < 0) {
    if (!reader->difference[0])
      snprintf(reader->difference, sizeof reader->difference,
               "the model has no tensor '%s'", shown.text);
    return FM_OK;
  }
  tensor = &reader->model->tensors[number];
  if (reader->places[number].found)
    return fmrt_fail(reader->instance, FM_ERROR_FORMAT,
                     "%s: damaged: '%s' is there twice; use another copy",
                     reader->where, shown.text);
  reader->expected = number + 1;
  reader->places[number].found = 1;
  reader->places[number].begin = offsets[0];
  reader->places[number].end = offsets[1];
  if (!fmrt_json_equals(dtype, fmrt_dtype_name(tensor->dtype))) {
    if (!reader->difference[0])
      snprintf(reader->difference, sizeof reader->difference,
               "'%s' has dtype %.12s in the file, %s in the model", shown.text,
               fmrt_head(&here, dtype.data, dtype.size),
               fmrt_dtype_name(tensor->dtype));
    return FM_OK;
  }
  if (rank != tensor->rank ||
      (rank &&
       memcmp(shape, tensor->shape, (size_t)rank * sizeof *shape) != 0)) {
    if (!reader->difference[0])
      snprintf(
          reader->difference, sizeof reader->difference,
          "'%s' has shape %s in the file, %s in the model", shown.text,
          fmrt_shape(&here, shape, rank < FM_MAX_RANK ? rank : FM_MAX_RANK),
          fmrt_shape(&there, tensor->shape, tensor->rank));
    return FM_OK;
  }
  if (offsets[1] - offsets[0] != fmrt_logical_bytes(tensor))
    return fmrt_fail(
        reader->instance, FM_ERROR_FORMAT,
        "%s: damaged: '%s' has %lld bytes, its shape %s in %s needs %lld; use "
        "another copy",
        reader->where, shown.text, (long long)(offsets[1] - offsets[0]),
        fmrt_shape(&here, shape, rank), fmrt_dtype_name(tensor->dtype),
        (long long)fmrt_logical_bytes(tensor));
  return FM_OK;
}

static fm_status readTensor(Reader *reader, fmrt_string name) {
  fmrt_string key, dtype = {NULL, 0};
  int64_t shape[FM_MAX_RANK], offsets[2] = {0, 0};
  int32_t rank = -1, count = -1;
  fm_status status;
  if (!fmrt_json_take(&reader->json, '{'))
    return fmrt_json_fail(&reader->json,
                          "an object with dtype, shape and data_offsets");
  do {
    if ((status = fmrt_json_string(&reader->json, &key)) != FM_OK)
      return status;
    if (!fmrt_json_take(&reader->json, ':'))
      return fmrt_json_fail(&reader->json, "':'");
    if (fmrt_json_equals(key, "dtype") && !dtype.data)
      status = fmrt_json_string(&reader->json, &dtype);
    else if (fmrt_json_equals(key, "shape") && rank < 0)
      status = fmrt_json_numbers(&reader->json, shape, FM_MAX_RANK, &rank);
    else if (fmrt_json_equals(key, "data_offsets") && count < 0)
      status = fmrt_json_numbers(&reader->json, offsets, 2, &count);
    else
      status = fmrt_json_fail(&reader->json,
                              "dtype, shape and data_offsets, each once");
    if (status != FM_OK)
      return status;
  } while (fmrt_json_take(&reader->json, ','));
  if (!fmrt_json_take(&reader->json, '}'))
    return fmrt_json_fail(&reader->json, "',' or '}'");
  if (!dtype.data || rank < 0 || count != 2)
    return fmrt_json_fail(&reader->json,
                          "dtype, shape and two data_offsets before this");
  return checkEntry(reader, name, dtype, shape, rank, offsets);
}

static fm_status readMembers(Reader *reader) {
  fmrt_string name;
  fm_status status;
  fmrt_json *json = &reader->json;
  if (json->at == json->end || *json->at++ != '{') /* no space before it */
    return fmrt_json_fail(json, "'{' at its very beginning");
  if (!fmrt_json_take(json, '}')) {
    do {
      if ((status = fmrt_json_string(json, &name)) != FM_OK)
        return status;
      if (!fmrt_json_take(json, ':'))
        return fmrt_json_fail(json, "':'");
      status = fmrt_json_equals(name, "__metadata__")
                   ? readMetadata(reader)
                   : readTensor(reader, name);
      if (status != FM_OK)
        return status;
    } while (fmrt_json_take(json, ','));
    if (!fmrt_json_take(json, '}'))
      return fmrt_json_fail(json, "',' or '}'");
  }
  fmrt_json_space(json);
  return json->at == json->end ? FM_OK
                               : fmrt_json_fail(json, "nothing but spaces");
}

/*===-- The whole --------------------------------------------------------===*/

/* Sixteen hexadecimal digits. */
static int readWord(fmrt_string text, uint64_t *word) {
  int32_t part;
  int i;
  *word = 0;
  if (text.size != 16)
    return 0;
  for (i = 0; i < 16; i += 4) {
    if ((part = fmrt_json_hex(text.data + i, text.data + 16)) < 0)
      return 0;
    *word = *word << 16 | (uint64_t)part;
  }
  return 1;
}

static fm_status checkMetadata(Reader *reader, int *hasChecksum,
                               uint64_t *checksum) {
  fmrt_text shown, other;
  uint64_t fingerprint;
  const char *extra = reader->difference[0] ? "; " : "";
  if (!reader->fingerprint.data || !reader->version.data)
    return fmrt_fail(
        reader->instance, FM_ERROR_MISMATCH,
        "%s: a safetensors file that fmc did not write: __metadata__ lacks "
        "\"%s\"; if its tensors are meant for model %s, save them with \"%s\": "
        "\"%016llx\" and \"%s\": \"%s\"%s%s",
        reader->where,
        reader->fingerprint.data ? FMRT_KEY_VERSION : FMRT_KEY_FINGERPRINT,
        fmrt_name(&shown, reader->model->name), FMRT_KEY_FINGERPRINT,
        (unsigned long long)reader->model->fingerprint, FMRT_KEY_VERSION,
        FMRT_FORMAT_VERSION, extra, reader->difference);
  if (!fmrt_json_equals(reader->version, FMRT_FORMAT_VERSION))
    return fmrt_fail(
        reader->instance, FM_ERROR_MISMATCH,
        "%s: checkpoint version '%s', this runtime reads '%s'; load it with a "
        "newer fmc",
        reader->where,
        fmrt_head(&shown, reader->version.data, reader->version.size),
        FMRT_FORMAT_VERSION);
  if (!readWord(reader->fingerprint, &fingerprint))
    return fmrt_fail(
        reader->instance, FM_ERROR_FORMAT,
        "%s: damaged: the fingerprint is '%s', expected 16 hexadecimal digits; "
        "use another copy",
        reader->where,
        fmrt_head(&shown, reader->fingerprint.data, reader->fingerprint.size));
  if (fingerprint != reader->model->fingerprint)
    return fmrt_fail(
        reader->instance, FM_ERROR_MISMATCH,
        "%s: a checkpoint of another model: '%s', fingerprint %016llx, "
        "expected '%s', %016llx; load it with the model that saved it%s%s",
        reader->where,
        reader->modelName.data
            ? fmrt_head(&shown, reader->modelName.data, reader->modelName.size)
            : "",
        (unsigned long long)fingerprint, fmrt_name(&other, reader->model->name),
        (unsigned long long)reader->model->fingerprint, extra,
        reader->difference);
  *hasChecksum = reader->checksum.data != NULL;
  if (*hasChecksum && !readWord(reader->checksum, checksum))
    return fmrt_fail(
        reader->instance, FM_ERROR_FORMAT,
        "%s: damaged: the checksum is '%s', expected 16 hexadecimal digits; "
        "use another copy",
        reader->where,
        fmrt_head(&shown, reader->checksum.data, reader->checksum.size));
  return FM_OK;
}

static fm_status failDifference(Reader *reader, const char *difference) {
  fmrt_text shown;
  return fmrt_fail(reader->instance, FM_ERROR_MISMATCH,
                   "%s: not a checkpoint of model %s as it was compiled; load "
                   "it with the model that saved it: %s",
                   reader->where, fmrt_name(&shown, reader->model->name),
                   difference);
}

static int comparePlaces(const void *left, const void *right) {
  const fmrt_place *a = *(const fmrt_place *const *)left,
                   *b = *(const fmrt_place *const *)right;
  if (a->begin != b->begin)
    return a->begin < b->begin ? -1 : 1;
  return a->end < b->end ? -1 : a->end > b->end;
}

/* The tensors must cover the data, without holes and without overlaps. */
static fm_status checkCoverage(Reader *reader) {
  const int32_t count = reader->model->tensor_count;
  const fmrt_place **order =
      (const fmrt_place **)malloc(((size_t)count + 1) * sizeof *order);
  int64_t covered = 0;
  int32_t i;
  if (!order)
    return fmrt_fail(reader->instance, FM_ERROR_MEMORY,
                     "%s: no memory for a table of %d tensors", reader->where,
                     (int)count);
  for (i = 0; i < count; ++i)
    order[i] = &reader->places[i];
  qsort(order, (size_t)count, sizeof *order, comparePlaces);
  for (i = 0; i < count && order[i]->begin == covered; ++i)
    covered = order[i]->end;
  if (i < count)
    fmrt_fail(reader->instance, FM_ERROR_FORMAT,
              "%s: damaged: a tensor's data begins at byte %lld, expected "
              "%lld: the tensors %s; use another copy",
              reader->where, (long long)order[i]->begin, (long long)covered,
              order[i]->begin < covered ? "overlap" : "leave a hole");
  else if (covered != reader->dataBytes)
    fmrt_fail(
        reader->instance, FM_ERROR_FORMAT,
        "%s: damaged: %lld bytes of data, expected %lld; use another copy",
        reader->where, (long long)reader->dataBytes, (long long)covered);
  free(order);
  return i < count || covered != reader->dataBytes ? FM_ERROR_FORMAT : FM_OK;
}

fm_status fmrt_read_header(fm_instance *instance, const char *where,
                           char *header, size_t size, int64_t data_bytes,
                           fmrt_place *places, int *has_checksum,
                           uint64_t *checksum) {
  const fm_model *model = instance->model;
  char missing[128];
  fmrt_text shown;
  Reader reader;
  fm_status status;
  int32_t i;
  memset(&reader, 0, sizeof reader);
  memset(places, 0, (size_t)model->tensor_count * sizeof *places);
  reader.instance = instance;
  reader.model = model;
  reader.where = where;
  reader.json.instance = instance;
  reader.json.where = where;
  reader.json.start = reader.json.at = header;
  reader.json.end = header + size;
  reader.dataBytes = data_bytes;
  reader.places = places;
  if ((status = readMembers(&reader)) != FM_OK ||
      (status = checkMetadata(&reader, has_checksum, checksum)) != FM_OK)
    return status;
  if (reader.difference[0])
    return failDifference(&reader, reader.difference);
  for (i = 0; i < model->tensor_count; ++i)
    if (!places[i].found) {
      snprintf(missing, sizeof missing, "the file has no tensor '%s'",
               fmrt_name(&shown, model->tensors[i].name));
      return failDifference(&reader, missing);
    }
  return checkCoverage(&reader);
}
