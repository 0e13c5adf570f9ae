// A block of time steps, forward and backward, for any cell.
//
// A forward cell has begin (the state before the block, which it returns), fetch (what a step needs beside its sums), step
// (from the sums to the state, which it returns) and store (what it computed). A backward cell has begin, fetch, step
// (the gradients of the gates' sums), store, receive (the gradient of the state before) and finish. The thread blocks meet
// once a step; what can be read and written while they wait for each other is.
#pragma once

__device__ __forceinline__ void show(float4* exchange, int k, int row, float value) {
    reinterpret_cast<float*>(exchange)[static_cast<size_t>(k) * 4 * LANES4 + row] = value;
}

#define EACH_PAIR(i, pair)                            \
    _Pragma("unroll") for (int i = 0; i < PAIRS; ++i) \
        if (const Pair pair = find_pair(part, i); pair.valid)

template <class Cell>
__device__ __forceinline__ void run_forward(Cell& cell, const Room& room, float4* memory, const float* w_h, int steps, int lanes) {
    Part part = find_part(room, memory, lanes);
    EACH_PAIR(i, pair) show(find_exchange(part, 0), pair.unit, pair.row, cell.begin(i, pair));
    arrive(part);
    take_weights(part, w_h);
    EACH_PAIR(i, pair) cell.fetch(i, pair, 0);
    await_others(part);
#pragma unroll 1
    for (int t = 0; t < steps; ++t) {
        float sums[PAIRS][SUMS];
        multiply(part, find_exchange(part, t), sums);
        EACH_PAIR(i, pair) show(find_exchange(part, t + 1), pair.unit, pair.row, cell.step(i, sums[i]));
        if (t + 1 < steps) arrive(part);
        EACH_PAIR(i, pair) {
            cell.store(i, pair, t);
            if (t + 1 < steps) cell.fetch(i, pair, t + 1);
        }
        if (t + 1 < steps) await_others(part);
    }
    go(part);
}

template <class Cell>
__device__ __forceinline__ void run_backward(Cell& cell, const Room& room, float4* memory, const float* w_h, int steps, int lanes) {
    Part part = find_part(room, memory, lanes);
    EACH_PAIR(i, pair) {
        cell.begin(i);
        cell.fetch(i, pair, steps - 1);
    }
    take_weights(part, w_h);
#pragma unroll 1
    for (int t = steps - 1; t >= 0; --t) {
        EACH_PAIR(i, pair) {
            float gradients[GATES];
            cell.step(i, gradients);
#pragma unroll
            for (int g = 0; g < GATES; ++g) show(find_exchange(part, t), g * SIZE + pair.unit, pair.row, gradients[g]);
        }
        arrive(part);
        EACH_PAIR(i, pair) {
            cell.store(i, pair, t);
            if (t > 0) cell.fetch(i, pair, t - 1);
        }
        await_others(part);
        float sums[PAIRS][SUMS];
        multiply(part, find_exchange(part, t), sums);
        EACH_PAIR(i, pair) cell.receive(i, sums[i][0]);
    }
    EACH_PAIR(i, pair) cell.finish(i, pair);
    go(part);
}
