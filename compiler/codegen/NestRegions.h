//===- NestRegions.h - What is computed for one iteration of a nest -------===//
//
// Boxes of the stages that a loop nest needs while some of its loops stand
// still: where scratch may be computed, and how large it is there.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_NESTREGIONS_H
#define FM_COMPILER_CODEGEN_NESTREGIONS_H

#include <vector>

#include "compiler/codegen/IndexAnalysis.h"
#include "compiler/codegen/Schedule.h"

namespace fm::codegen {

/// Loops of a nest as its order says, outermost first.
std::vector<int> orderOf(const Nest &nest);

/// Bytes of a box of all results of a stage.
int64_t volume(const Stage &stage, const Box &box);

/// Of the nests of a group as planned so far. `storedBy`, `number`: as in Plan,
/// and which of its groups this is.
class NestRegions {
public:
  NestRegions(const KernelSpec &spec, const Group &group,
              const std::vector<std::vector<int>> &storedBy, int number)
      : spec(spec), group(group), storedBy(storedBy), number(number) {}

  /// Whether an earlier group has stored a result of a stage.
  bool isStoredEarlier(unsigned s, unsigned result) const {
    return storedBy[s][result] >= 0 && storedBy[s][result] != number;
  }

  /// Boxes of all stages that are computed for one iteration of nest `a`: its
  /// loops up to `position` (in its order) stay at tile `at[loop]`, and loops
  /// up to `reductionPosition` of stage `reduction` at `reductionAt`. `fewer`:
  /// for that many samples less than the bound.
  std::vector<Box> boxes(int a, int position, const std::vector<int64_t> &at,
                         int reduction, int reductionPosition,
                         int64_t reductionAt, int64_t fewer = 0) const;

  /// The tile in the middle of each loop of nest a.
  std::vector<int64_t> middleOf(int a) const;

  /// The innermost loop of nest a, in its order, with whose tiles the region of
  /// stage s moves; -1: none.
  int lastMoving(unsigned s, int a, const std::vector<int64_t> &at) const;

private:
  const KernelSpec &spec;
  const Group &group;
  const std::vector<std::vector<int>> &storedBy;
  const int number;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_NESTREGIONS_H
