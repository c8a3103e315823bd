//===- KernelSpec.cpp - Elements and layouts of kernel descriptions -------===//
#include "compiler/codegen/KernelSpec.h"

#include "compiler/ir/RowPitch.h"

#include <algorithm>
#include <utility>

namespace fm::codegen {

int64_t sizeOf(ScalarType type) {
  switch (type) {
  case ScalarType::I1:
  case ScalarType::I8:
    return 1;
  case ScalarType::I32:
  case ScalarType::F32:
    return 4;
  case ScalarType::I64:
  case ScalarType::F64:
    return 8;
  }
  return 0;
}

std::vector<PhysicalDim> rowMajor(const std::vector<Extent> &shape,
                                  const std::vector<Pitch> &pitches) {
  std::vector<PhysicalDim> dims(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    dims[i].logical = i;
    dims[i].extent = shape[i];
    dims[i].stride = stride;
    stride *= shape[i].size;
    for (const Pitch &apart : pitches)
      if (i + apart.rank == shape.size())
        stride = apart.pitch;
  }
  return dims;
}

std::vector<PhysicalDim> inPanels(const std::vector<Extent> &shape,
                                  int64_t width, int64_t elementBytes) {
  if (width < 0) {
    std::vector<PhysicalDim> dims =
        inPanels({shape[1], shape[0]}, -width, elementBytes);
    for (PhysicalDim &dim : dims)
      dim.logical = 1 - dim.logical;
    return dims;
  }
  const Extent rows = shape[0], columns = shape[1];
  const int64_t apart = rowPitch(width * rows.size, elementBytes);
  return {{1, width, 0, {columns.size / width, false}, apart},
          {0, 1, 0, rows, width},
          {1, 1, width, {width, false}, 1}};
}

bool liesInPanels(const Buffer &buffer) {
  return buffer.shape.size() == 2 && buffer.dims.size() == 3 &&
         buffer.dims.back().modulus > 0;
}

int64_t packSamples(Buffer &buffer) {
  if (buffer.dims.size() < 2 || !buffer.dims[0].extent.isSamples)
    return 0;
  const PhysicalDim &next = buffer.dims[1];
  const int64_t packed = next.stride * next.extent.size;
  const int64_t apart = std::exchange(buffer.dims[0].stride,
                                      std::min(packed, buffer.dims[0].stride));
  return apart > packed ? apart : 0;
}

bool isPlain(const Buffer &buffer) {
  for (const PhysicalDim &dim : buffer.dims)
    if (dim.divisor != 1 || dim.modulus)
      return false;
  return buffer.dims.size() == buffer.shape.size();
}

} // namespace fm::codegen
