// The time loops of RNN, LSTM and GRU: what language/cells.py computes for a block of steps, in one launch.
//
// A thread block looks after UNITS units of LANES lanes; GROUPS blocks share the same lanes and meet once a step ("persistent"
// kernels, Diamos et al. 2016, proceedings.mlr.press/v48/diamos16). Their weights stay in shared memory for all steps,
// as many as fit there. What a step's product is made of is exchanged through memory, turned: [DEPTH, lanes].
//
// Compiled for one shape at a time (gpu_cells_plan.py): GATES (1: RNN, 3: GRU, 4: LSTM), BACKWARD (0 or 1), SIZE (units of the
// layer), GROUPS, UNITS, LANES, THREADS (a multiple of 32), TENSOR (1: tensor cores, 0: float32), RANKS (thread blocks of a
// cluster), TURNS (of the loop over a chunk, what is copied together of the depth), STAGES (chunks on their way), KEPT (chunks
// whose weights stay). In float32: TILE_COLUMNS and TILE_LANES (columns and fours of lanes that a thread computes) and SLOTS
// (splits whose sums are added up together). On tensor cores: M_WARPS and
// N_WARPS (that share the columns and the lanes) and TERMS (of a product: 1 or 3).
// Launched with GROUPS thread blocks for every LANES lanes, all of which must be on the device at once.

#include "cuda/hardware.cuh"
#include "cuda/layout.cuh"
#if TENSOR
#include "cuda/tensor_layout.cuh"
#else
#include "cuda/scalar_layout.cuh"
#endif
#include "cuda/part.cuh"
#include "cuda/meeting.cuh"
#if TENSOR
#include "cuda/tensor_product.cuh"
#else
#include "cuda/scalar_product.cuh"
#endif
#include "cuda/steps.cuh"
#include "cuda/functions.cuh"
#include "cuda/rnn.cuh"
#include "cuda/lstm.cuh"
#include "cuda/gru.cuh"

#define KERNEL extern "C" __global__ void CLUSTER __launch_bounds__(THREADS, 1)

#if GATES == 1 && !BACKWARD
KERNEL rnn_forward(float* hs, const float* sums, const float* w_h, int steps, int lanes, float4* exchange, float4* packed, Meeting* meetings) {
    SHARED_MEMORY(memory);
    RnnForward cell = {hs, sums, lanes};
    run_forward(cell, {exchange, packed, meetings}, memory, w_h, steps, lanes);
}
#endif

#if GATES == 1 && BACKWARD
KERNEL rnn_backward(const float* d_hs, const float* hs, const float* w_h, float* d_sums, float* d_h, int steps, int lanes,
                    float4* exchange, float4* packed, Meeting* meetings) {
    SHARED_MEMORY(memory);
    RnnBackward cell = {d_hs, hs, d_sums, d_h, lanes};
    run_backward(cell, {exchange, packed, meetings}, memory, w_h, steps, lanes);
}
#endif

#if GATES == 4 && !BACKWARD
KERNEL lstm_forward(float* hs, float* cs, float* tanh_cs, float* gates, const float* w_h, int steps, int lanes, float4* exchange, float4* packed, Meeting* meetings) {
    SHARED_MEMORY(memory);
    LstmForward cell = {hs, cs, tanh_cs, gates, lanes};
    run_forward(cell, {exchange, packed, meetings}, memory, w_h, steps, lanes);
}
#endif

#if GATES == 4 && BACKWARD
KERNEL lstm_backward(const float* d_hs, const float* cs, const float* tanh_cs, const float* gates, const float* w_h,
                     float* d_sums, float* d_h, float* d_c, int steps, int lanes, float4* exchange, float4* packed, Meeting* meetings) {
    SHARED_MEMORY(memory);
    LstmBackward cell = {d_hs, cs, tanh_cs, gates, d_sums, d_h, d_c, lanes};
    run_backward(cell, {exchange, packed, meetings}, memory, w_h, steps, lanes);
}
#endif

#if GATES == 3 && !BACKWARD
KERNEL gru_forward(float* hs, float* gates, float* h_sums, const float* w_h, const float* b_h, int steps, int lanes,
                   float4* exchange, float4* packed, Meeting* meetings) {
    SHARED_MEMORY(memory);
    GruForward cell = {hs, gates, h_sums, b_h, lanes};
    run_forward(cell, {exchange, packed, meetings}, memory, w_h, steps, lanes);
}
#endif

#if GATES == 3 && BACKWARD
KERNEL gru_backward(const float* d_hs, const float* hs, const float* gates, const float* h_sums, const float* w_h,
                    float* d_x_sums, float* d_h_sums, float* d_h, int steps, int lanes, float4* exchange, float4* packed, Meeting* meetings) {
    SHARED_MEMORY(memory);
    GruBackward cell = {d_hs, hs, gates, h_sums, d_x_sums, d_h_sums, d_h, lanes};
    run_backward(cell, {exchange, packed, meetings}, memory, w_h, steps, lanes);
}
#endif
