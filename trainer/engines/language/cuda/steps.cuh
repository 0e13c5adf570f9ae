// A block of time steps, forward and backward, for any cell.
//
// A forward cell has begin (the state before the block, which it returns), fetch (what a step needs beside its sums), step
// (from the sums to the state, which it returns) and store (what it computed). A backward cell has begin, fetch, step
// (the gradients of the gates' sums), store, receive (the gradient of the state before) and finish. The thread blocks meet
// once a step; what can be read and written while they wait for each other is.
#pragma once

// Have `value`, the pair's number `number`, shown to the others by the next call of show_all: on tensor cores it is kept until
// then, so that the threads can write in the order in which it is exchanged.
__device__ __forceinline__ void offer(const Part& part, float4* exchange, const Pair& pair, int number, float value) {
#if TENSOR
    reinterpret_cast<float*>(part.stages)[(number * UNITS + pair.column) * STASH_ROW + pair.row] = value;
#else
    show(exchange, number * SIZE + pair.unit, pair.row, value);
#endif
}

__device__ __forceinline__ void show_all(const Part& part, float4* exchange) {
#if TENSOR
    __syncthreads();
    const float* stash = reinterpret_cast<const float*>(part.stages);
    for (int i = threadIdx.x; i < SHOWN_SUMS * UNITS * LANES; i += THREADS) {
        int row = i % LANES, column = i / LANES, unit = part.first_unit + column % UNITS;
        if (unit < SIZE && part.first_lane + row < part.lanes)
            show(exchange, column / UNITS * SIZE + unit, row, stash[column * STASH_ROW + row]);
    }
#endif
}

#define EACH_PAIR(i, pair)                            \
    _Pragma("unroll") for (int i = 0; i < PAIRS; ++i) \
        if (const Pair pair = find_pair(part, i); pair.valid)

template <class Cell>
__device__ __forceinline__ void run_forward(Cell& cell, const Room& room, float4* memory, const float* w_h, int steps, int lanes) {
    Part part = find_part(room, memory, lanes);
    EACH_PAIR(i, pair) offer(part, find_exchange(part, 0), pair, 0, cell.begin(i, pair));
    show_all(part, find_exchange(part, 0));
    arrive(part);
    take_weights(part, w_h);
    EACH_PAIR(i, pair) cell.fetch(i, pair, 0);
    await_others(part);
#pragma unroll 1
    for (int t = 0; t < steps; ++t) {
        float sums[PAIRS][SUMS];
        multiply(part, find_exchange(part, t), sums);
        float4* next = find_exchange(part, t + 1);
        EACH_PAIR(i, pair) offer(part, next, pair, 0, cell.step(i, sums[i]));
        show_all(part, next);
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
        float4* here = find_exchange(part, t);
        EACH_PAIR(i, pair) {
            float gradients[GATES];
            cell.step(i, gradients);
#pragma unroll
            for (int g = 0; g < GATES; ++g) offer(part, here, pair, g, gradients[g]);
        }
        show_all(part, here);
        arrive(part);
        EACH_PAIR(i, pair) {
            cell.store(i, pair, t);
            if (t > 0) cell.fetch(i, pair, t - 1);
        }
        await_others(part);
        float sums[PAIRS][SUMS];
        multiply(part, here, sums);
        EACH_PAIR(i, pair) cell.receive(i, sums[i][0]);
    }
    EACH_PAIR(i, pair) cell.finish(i, pair);
    go(part);
}
