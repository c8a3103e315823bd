//===- PlaceNests.h - The loop at which a nest is computed ----------------===//
#ifndef FM_COMPILER_CODEGEN_PLACENESTS_H
#define FM_COMPILER_CODEGEN_PLACENESTS_H

#include <string>
#include <utility>
#include <vector>

#include "compiler/codegen/NestRegions.h"
#include "compiler/codegen/Schedule.h"

namespace fm::codegen {

/// A place that reads a stage, after inlining of what lies between.
struct Reader {
  int nest = -1;
  int reduction = -1; ///< the stage in whose update it is read, or -1: the body
  bool identity = false;
};

class NestPlacer {
public:
  /// `readers`: of each stage. They, and the group's nests, are filled by and
  /// by.
  NestPlacer(const KernelSpec &spec, const MachineModel &machine,
             const NestRegions &regions,
             const std::vector<std::vector<Reader>> &readers, Group &group)
      : spec(spec), machine(machine), regions(regions), readers(readers),
        group(group) {}

  /// Chooses parent, position and region of nest `k`, whose readers have theirs
  /// and their tiles: as far inside as moves nothing again, further out where
  /// what is computed there lies in the L1. Says in `error` why there is no
  /// place, and chooses one all the same.
  void place(int k, std::string &error);

private:
  const KernelSpec &spec;
  const MachineModel &machine;
  const NestRegions &regions;
  const std::vector<std::vector<Reader>> &readers;
  Group &group;
  int64_t scratch = 0; ///< bytes of what has been placed

  struct Meeting {
    int nest = -1, limit = -1; ///< a loop of the nest; -1: none
    int reduction = -1;        ///< in which all of them read, or -1
  };
  Meeting meetingOf(unsigned s) const;
  std::vector<std::pair<int, int>> chainOf(int k) const;
  int64_t ahead(int k, const std::vector<Box> &boxes) const;
  bool isUneven(const Nest &nest, const Box &box) const;
  void checkScratch(unsigned s, std::string &error) const;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_PLACENESTS_H
