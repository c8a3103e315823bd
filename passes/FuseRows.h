//===- FuseRows.h - Kernels that go row by row ----------------------------===//
#ifndef FM_PASSES_FUSEROWS_H
#define FM_PASSES_FUSEROWS_H

#include "passes/FusionGroups.h"

namespace fm::passes {

/// Group g, which computes elements from what their rows were reduced to,
/// takes in those reductions, and what else only it needs: all of it is done
/// for one row after the other. Rows that others read, too, stay apart, since
/// a kernel has one nest of loops for each shape that it stores.
void fuseRows(FusionGroups &all, int g);

} // namespace fm::passes

#endif // FM_PASSES_FUSEROWS_H
