// Rows of a table by the ids of words, and the gradient of the table: a row for each word, at the place where it comes first.
#pragma once

// out[i] = table[ids[i]], one thread block for each i; both of rows of `width`.
extern "C" __global__ void gather_rows(const float* table, const int* ids, float* out, int width) {
    const float* from = table + static_cast<long long>(ids[blockIdx.x]) * width;
    float* to = out + static_cast<long long>(blockIdx.x) * width;
    for (int j = threadIdx.x; j < width; j += THREADS) to[j] = from[j];
}

// rows[i] = ids[i] and values[i] = the sum of d[j] over all j with ids[j] == ids[i], in their order, where i is the first of
// these; rows[i] = -1 elsewhere. One thread block for each of the `count` ids.
extern "C" __global__ void sum_rows(const int* ids, const float* d, int* rows, float* values, int count, int width) {
    __shared__ int found[THREADS];
    __shared__ int number, next, seen;
    int here = blockIdx.x, id = ids[here];
    if (threadIdx.x == 0) {
        seen = 0;
        next = here;
    }
    __syncthreads();
    for (int j = threadIdx.x; j < here; j += THREADS)
        if (ids[j] == id) seen = 1;
    __syncthreads();
    if (threadIdx.x == 0) rows[here] = seen ? -1 : id;
    if (seen) return;
    float* to = values + static_cast<long long>(here) * width;
    for (bool first = true;; first = false) {
        if (threadIdx.x < 32) {  // the first warp looks for as many as fit
            int from = next, some = 0;
            while (from < count && some + 32 <= THREADS) {
                int j = from + threadIdx.x;
                bool same = j < count && ids[j] == id;
                uint32 all = __ballot_sync(0xFFFFFFFFu, same);
                if (same) found[some + __popc(all & ((1u << threadIdx.x) - 1u))] = j;
                some += __popc(all);
                from += 32;
            }
            __syncwarp();  // all lanes have read `next`
            if (threadIdx.x == 0) {
                number = some;
                next = from;
            }
        }
        __syncthreads();
        for (int j = threadIdx.x; j < width; j += THREADS) {
            float sum = first ? 0.f : to[j];
            for (int k = 0; k < number; ++k) sum += d[static_cast<long long>(found[k]) * width + j];
            to[j] = sum;
        }
        if (next >= count) return;
        __syncthreads();
    }
}

// table[rows[i]] += values[i] for each row that is not -1, one thread block for each i.
extern "C" __global__ void add_rows(const int* rows, const float* values, float* table, int width) {
    int row = rows[blockIdx.x];
    if (row < 0) return;
    const float* from = values + static_cast<long long>(blockIdx.x) * width;
    float* to = table + static_cast<long long>(row) * width;
    for (int j = threadIdx.x; j < width; j += THREADS) to[j] += from[j];
}

// out[i] = bias[i % width].
extern "C" __global__ void spread_bias(const float* bias, float* out, uint32 size, uint32 width) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i < size) out[i] = bias[i % width];
}

// A matrix of rows of `width`, which begin `from` apart, becomes one whose rows begin `to` apart; size: without the gaps.
extern "C" __global__ void copy_rows(const float* source, float* target, uint32 size, uint32 width, uint32 from, uint32 to) {
    uint32 i = blockIdx.x * THREADS + threadIdx.x;
    if (i < size) target[static_cast<uint64>(i / width) * to + i % width] = source[static_cast<uint64>(i / width) * from + i % width];
}

// out[k, j] = the sum of column j of rows k * height .. (k + 1) * height of `matrix` [rows, columns], 32 columns to a thread
// block; with `add` beside what it was.
extern "C" __global__ void sum_columns(const float* matrix, float* out, int rows, int columns, int height, int add) {
    __shared__ float sums[THREADS];
    int groups = (columns + 31) / 32, part = blockIdx.x / groups;
    int lane = threadIdx.x % 32, group = threadIdx.x / 32, column = blockIdx.x % groups * 32 + lane;
    int stop = min(rows, (part + 1) * height);
    float sum = 0.f;
    if (column < columns)
        for (int i = part * height + group; i < stop; i += THREADS / 32)
            sum += matrix[static_cast<long long>(i) * columns + column];
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (group == 0 && column < columns) {
        for (int k = 1; k < THREADS / 32; ++k) sum += sums[32 * k + lane];
        float* to = out + static_cast<long long>(part) * columns + column;
        *to = add ? *to + sum : sum;
    }
}
