// The product of a step in float32: [lanes, DEPTH], which all thread blocks have exchanged, times this block's columns of weights.
//
// A thread computes a tile of TILE_COLUMNS columns and 4 TILE_LANES lanes over a share of the depth; then the splits' sums
// are added up. A chunk's weights are [TILE_COLUMNS, TURNS, SPLITS, ACROSS] float4s, of four rows of the depth each that lie
// SPLITS apart: whatever neighbouring threads load together lies together.
#pragma once

__device__ __forceinline__ float4 zero4() { return make_float4(0.f, 0.f, 0.f, 0.f); }

__device__ __forceinline__ void add4(float4& sum, float factor, float4 x) {
    sum.x = fmaf(factor, x.x, sum.x);
    sum.y = fmaf(factor, x.y, sum.y);
    sum.z = fmaf(factor, x.z, sum.z);
    sum.w = fmaf(factor, x.w, sum.w);
}

// Let the others have `value`, of row `k` of the depth and lane `row`.
__device__ __forceinline__ void show(float4* exchange, int k, int row, float value) {
    reinterpret_cast<float*>(exchange)[static_cast<size_t>(k) * 4 * LANES4 + row] = value;
}

// The weight of this block's `column` in row `k` of the depth; 0 beside the matrix.
__device__ __forceinline__ float find_weight(const Part& part, const float* w_h, int k, int column) {
    int unit = part.first_unit + column % UNITS, sum = column / UNITS;
    if (sum >= SUMS || unit >= SIZE || k >= DEPTH) return 0.f;
    return BACKWARD ? w_h[static_cast<size_t>(unit) * WIDTH + k] : w_h[static_cast<size_t>(k) * WIDTH + sum * SIZE + unit];
}

constexpr int AT_ONCE = 16;  // weights that a thread waits for together

// Copy this block's weights to shared memory, and to `packed` what does not stay there. Before that, zeros to the stages:
// rows that are no states are met by no weight but 0.
__device__ void take_weights(const Part& part, const float* w_h) {
    for (int i = threadIdx.x; i < WORK; i += THREADS) part.stages[i] = zero4();
    float* kept = reinterpret_cast<float*>(part.kept);
    float* packed = reinterpret_cast<float*>(part.packed);
    constexpr int WEIGHTS = CHUNKS * CHUNK * COLUMNS;
    for (int first = threadIdx.x; first < WEIGHTS; first += AT_ONCE * THREADS) {
        float weights[AT_ONCE];
#pragma unroll
        for (int j = 0; j < AT_ONCE; ++j) {
            int i = first + j * THREADS;
            weights[j] = BACKWARD ? find_weight(part, w_h, i % (CHUNKS * CHUNK), i / (CHUNKS * CHUNK))
                                  : find_weight(part, w_h, i / COLUMNS, i % COLUMNS);
        }
#pragma unroll
        for (int j = 0; j < AT_ONCE; ++j) {
            int i = first + j * THREADS;
            int k = BACKWARD ? i % (CHUNKS * CHUNK) : i / COLUMNS;
            int column = BACKWARD ? i / (CHUNKS * CHUNK) : i % COLUMNS;
            int chunk = k / CHUNK, turn = k % CHUNK / (4 * SPLITS), quarter = k / SPLITS % 4, split = k % SPLITS;
            int place = ((column / ACROSS * TURNS + turn) * SPLITS + split) * ACROSS + column % ACROSS;
            if (i >= WEIGHTS) continue;
            if (chunk < KEPT) kept[4 * (chunk * CHUNK_WEIGHTS + place) + quarter] = weights[j];
            else packed[4 * (static_cast<size_t>(chunk - KEPT) * CHUNK_WEIGHTS + place) + quarter] = weights[j];
        }
    }
    __threadfence();
    __syncthreads();
}

// Start to copy a chunk of what was exchanged, and of the weights that did not stay.
__device__ __forceinline__ void start_chunk(const Part& part, const float4* exchange, int chunk) {
    if (chunk < CHUNKS) {
        int rows = min(CHUNK, DEPTH - chunk * CHUNK);
        float4* states = part.stages + chunk % STAGES * STAGE;
        const float4* from = exchange + static_cast<size_t>(chunk) * CHUNK * LANES4;
        for (int i = threadIdx.x; i < rows * LANES4; i += THREADS)
            copy_async(states + i / LANES4 * ROW + i % LANES4, from + i);
        if (STREAMED && chunk >= KEPT) {
            float4* weights = states + CHUNK * ROW;
            const float4* packed = part.packed + static_cast<size_t>(chunk - KEPT) * CHUNK_WEIGHTS;
            for (int i = threadIdx.x; i < CHUNK_WEIGHTS; i += THREADS) copy_async(weights + i, packed + i);
        }
    }
    close_copies();
}

struct Tile {
    float4 sums[TILE_COLUMNS][TILE_LANES];
};

struct Corner {
    int split, down, across;
};

__device__ __forceinline__ Corner find_corner() {
    int number = threadIdx.x;
    return {number / (ACROSS * DOWN), number / ACROSS % DOWN, number % ACROSS};
}

// tile += states [CHUNK, ROW] times weights, this thread's rows of them.
__device__ __forceinline__ void multiply_chunk(Tile& tile, const float4* states, const float4* weights, int turns) {
    Corner corner = find_corner();
    if (corner.split >= SPLITS) return;
    weights += corner.split * ACROSS + corner.across;
    states += corner.split * ROW + corner.down;
#pragma unroll 2
    for (int turn = 0; turn < turns; ++turn) {
        float4 w[TILE_COLUMNS];
#pragma unroll
        for (int m = 0; m < TILE_COLUMNS; ++m) w[m] = weights[(m * TURNS + turn) * SPLITS * ACROSS];
#pragma unroll
        for (int quarter = 0; quarter < 4; ++quarter) {
            float4 x[TILE_LANES];
#pragma unroll
            for (int n = 0; n < TILE_LANES; ++n) x[n] = states[(4 * turn + quarter) * SPLITS * ROW + n * DOWN];
#pragma unroll
            for (int m = 0; m < TILE_COLUMNS; ++m) {
                float factor = quarter == 0 ? w[m].x : quarter == 1 ? w[m].y : quarter == 2 ? w[m].z : w[m].w;
#pragma unroll
                for (int n = 0; n < TILE_LANES; ++n) add4(tile.sums[m][n], factor, x[n]);
            }
        }
    }
}

// sums[i][s]: sum s of this thread's pair i, over all splits. The stages are used up.
__device__ __forceinline__ void add_splits(const Part& part, const Tile& tile, float (&sums)[PAIRS][SUMS]) {
    Corner corner = find_corner();
    const float* slots = reinterpret_cast<const float*>(part.stages);
#pragma unroll
    for (int i = 0; i < PAIRS; ++i)
#pragma unroll
        for (int s = 0; s < SUMS; ++s) sums[i][s] = 0.f;
    for (int first = 0; first < SPLITS; first += SLOTS) {
        int count = min(SLOTS, SPLITS - first);
        __syncthreads();  // the stages, or the slots before, have been read
        if (corner.split >= first && corner.split < first + count) {
            float4* slot = part.stages + (corner.split - first) * SLOT + corner.across * ROW + corner.down;
#pragma unroll
            for (int m = 0; m < TILE_COLUMNS; ++m)
#pragma unroll
                for (int n = 0; n < TILE_LANES; ++n) slot[m * ACROSS * ROW + n * DOWN] = tile.sums[m][n];
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < PAIRS; ++i) {
            int number = threadIdx.x + i * THREADS, row = find_row(number), column = find_column(number);
            if (number < LANES * UNITS) {
#pragma unroll 4
                for (int k = 0; k < count; ++k)
#pragma unroll
                    for (int s = 0; s < SUMS; ++s)
                        sums[i][s] += slots[k * 4 * SLOT + (s * UNITS + column) * 4 * ROW + row];
            }
        }
    }
}

// This thread's sums for the states in `exchange`.
__device__ __forceinline__ void multiply(const Part& part, const float4* exchange, float (&sums)[PAIRS][SUMS]) {
    Tile tile;
#pragma unroll
    for (int m = 0; m < TILE_COLUMNS; ++m)
#pragma unroll
        for (int n = 0; n < TILE_LANES; ++n) tile.sums[m][n] = zero4();
    for (int chunk = 0; chunk < STAGES - 1; ++chunk) start_chunk(part, exchange, chunk);
#pragma unroll 1
    for (int chunk = 0; chunk < CHUNKS; ++chunk) {
        await_copies<STAGES - 2>();
        __syncthreads();  // the chunk is there, and the one before has been read
        start_chunk(part, exchange, chunk + STAGES - 1);
        const float4* states = part.stages + chunk % STAGES * STAGE;
        const float4* weights = !STREAMED || chunk < KEPT ? part.kept + chunk * CHUNK_WEIGHTS : states + CHUNK * ROW;
        int left = (DEPTH + 4 * SPLITS - 1) / (4 * SPLITS) - chunk * TURNS;
        multiply_chunk(tile, states, weights, min(TURNS, left));
    }
    await_copies<0>();
    add_splits(part, tile, sums);
}
