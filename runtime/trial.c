/*===- trial.c - Whether an entry's threads pay ----------------------------===*
 *
 * A step of some hundred microseconds may take twice as long on two cores as on
 * one, if these have no common cache and each needs what the other has written;
 * on other cores, or an hour later on the same virtual ones, threads pay. No
 * model of the machine tells, but a clock does. So of every thousand short calls
 * of an entry the first few run with the host's threads, the next few without,
 * and the others as was faster; of fewer where trials do not agree, or both take
 * the same time. Results do not depend on it: they are bitwise the same for any
 * number of threads.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"

enum {
  /* Calls of each kind in a round; the first one, which moves data from one
   * core's cache into another's, is not timed. */
  Calls = 4,
  ShortRound = 1024, /* calls from one trial to the next */
  LongRound = 16384, /* where one kind takes twice as long as the other */
  /* Where they differ by less than an eighth, so that a trial costs little: it
   * may be that another program's thread spins on the second core. */
  EvenRound = 128,
  /* The round behind a trial that found something else than the one before, or is
   * the first: threads may have had to wait for others that just began, or for a
   * neighbour on their core. Each trial that agrees makes it longer. */
  FirstRound = 64,
  RoundsGrow = 4,
  /* Nanoseconds of a call with threads from which on they are kept without a
   * trial: there is enough to do for everybody. */
  LongCall = 2000000
};

/* Calls of an entry take the same time if n has as many bits. */
static int32_t bitsOf(int64_t n) {
  int32_t bits = 1;
  for (; n > 1; n /= 2)
    ++bits;
  return bits;
}

static fm_trial *trialOf(fm_instance *instance, int32_t entry, int64_t n) {
  const int32_t bits = bitsOf(n);
  fm_trial *trial = &instance->trials[(entry * 5 + bits) % FM_TRIALS];
  if (trial->entry != entry || trial->bits != bits) {
    trial->entry = entry;
    trial->bits = bits;
    trial->call = 0;
    trial->best[0] = trial->best[1] = INT64_MAX;
    trial->alone = 0;
    trial->round = FirstRound;
    trial->most = FirstRound / RoundsGrow;
  }
  return trial;
}

void fmrt_trial_begin(fm_instance *instance, int32_t entry, int64_t n) {
  fm_trial *trial;
  instance->trial = NULL;
  instance->alone = 0;
  if (!instance->parallel_for)
    return;
  trial = trialOf(instance, entry, n);
  if (trial->call >= trial->round) {
    trial->call = 0;
    trial->best[0] = trial->best[1] = INT64_MAX;
  }
  if (trial->call >= 2 * Calls) {
    ++trial->call;
    instance->alone = trial->alone;
    return;
  }
  if ((instance->started = fmrt_now()) == 0)
    return;
  instance->trial = trial;
  instance->alone = trial->call >= Calls;
}

/* Ends the trial of this round. */
static void decide(fm_trial *trial, int alone) {
  const int64_t threads = trial->best[0], one = trial->best[1];
  const int64_t faster = alone ? one : threads, slower = alone ? threads : one;
  const int32_t round = slower / 2 > faster            ? LongRound
                        : slower - slower / 8 > faster ? ShortRound
                                                       : EvenRound;
  if (alone != trial->alone)
    trial->most = FirstRound;
  else if (trial->most < LongRound)
    trial->most *= RoundsGrow;
  trial->alone = alone;
  trial->round = round < trial->most ? round : trial->most;
  trial->call = 2 * Calls;
}

void fmrt_trial_end(fm_instance *instance) {
  fm_trial *trial = instance->trial;
  int64_t taken, *best;
  if (!trial)
    return;
  instance->trial = NULL;
  taken = fmrt_now() - instance->started;
  best = &trial->best[instance->alone];
  if (trial->call++ % Calls == 0)
    return; /* the first one of its kind */
  if (taken < *best)
    *best = taken;
  if (!instance->alone) {
    if (trial->call == Calls && trial->best[0] > LongCall)
      decide(trial, 0);
    return;
  }
  /* One core is left free where it would not be missed. */
  if (trial->call == 2 * Calls)
    decide(trial, trial->best[1] <= trial->best[0] + trial->best[0] / 50);
  else if (trial->best[1] / 2 > trial->best[0])
    decide(trial, 0);
}
