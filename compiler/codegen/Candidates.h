//===- Candidates.h - Choices of a kernel that are worth measuring --------===//
//
// What a tuner tries, one after the other: the machine model's most promising
// choices, in turns with neighbours of the best that was measured so far. Every
// one is legal, none comes twice. Nothing here measures or compiles.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_CANDIDATES_H
#define FM_COMPILER_CODEGEN_CANDIDATES_H

#include <deque>
#include <optional>
#include <set>
#include <string>

#include "compiler/codegen/KernelSpec.h"
#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/Target.h"

namespace fm::codegen {

class Candidates {
public:
  Candidates(const KernelSpec &spec, const MachineModel &machine);

  /// The machine model's choice, in full.
  const ScheduleChoice &standard() const { return first; }
  /// The next one to try, or nothing if there are no more.
  std::optional<ScheduleChoice> next();
  /// Tells what is best so far: what comes next is near it.
  void setBest(const ScheduleChoice &choice);

private:
  const KernelSpec form;
  const MachineModel machine;
  ScheduleChoice first, best;
  std::deque<ScheduleChoice> promising, near;
  std::set<std::string> seen;
  bool turn = false;

  void consider(ScheduleChoice choice, size_t nest,
                std::deque<ScheduleChoice> &list);
  void addPromising();
  void addNear();
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_CANDIDATES_H
