//===- Workloads.h - The measured networks, written with oneDNN -----------===//
//
// Each function adds the forward pass to `net` and, if that is for training,
// the loss and the backward pass.
//
//===----------------------------------------------------------------------===//
#ifndef FM_BENCH_PEERS_ONEDNN_WORKLOADS_H
#define FM_BENCH_PEERS_ONEDNN_WORKLOADS_H

#include "bench/peers/onednn/Network.h"

namespace fm::bench::onednn {

void buildSeedCnn(Network &net, int batch);
void buildMlp(Network &net);
void buildEncoder(Network &net);
/// In inference, batch norms are folded into the convolutions before them.
void buildResnetBlock(Network &net);
void buildMbconvBlock(Network &net);

} // namespace fm::bench::onednn

#endif // FM_BENCH_PEERS_ONEDNN_WORKLOADS_H
