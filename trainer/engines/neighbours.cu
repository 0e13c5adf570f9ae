// The nearest rows of every row, from scores that a product left on the device: candidates by their float32 scores, decided
// in float64. What artifact/search.py does, one thread block for a query.
//
// A block reads the scores of its query once, from the first to the last, and keeps those that are not below a threshold.
// When there is no room for another tile of them, the last of the `wanted` best that are kept becomes the new threshold, less
// the rounding error of the scores, and what lies below it goes. So few are kept that reading binds. Of what is left at the end,
// cosines are computed in float64, rounded to float32 and ranked, ties in order of their ids.
//
// Compiled by gpu_neighbours.py with THREADS (a multiple of 32) and CAPACITY (scores kept at once: a tile more than are wanted).

#ifndef SHARED_MEMORY
#define SHARED_MEMORY(name) extern __shared__ float4 name[]
#endif

typedef unsigned int uint32;
typedef unsigned long long uint64;

constexpr int FOURS = 2;                   // loads of a thread in a tile
constexpr int TILE = 4 * FOURS * THREADS;  // scores that are looked at together
constexpr uint32 ALL = 0xFFFFFFFFu;
constexpr uint32 SIGN = 0x80000000u;
constexpr float ANY_SCORE = -2.f;          // below every cosine

static_assert(THREADS % 32 == 0 && TILE < CAPACITY, "see above");

// An entry is a score's key above an id: integers that sort as scores do.
struct Kept {
    uint64 entries[CAPACITY];
    uint32 votes[32];  // entries at or above a key, by the key's undecided bit
    int count;
    int placed;
};

__device__ __forceinline__ uint32 rising_key(float score) {
    uint32 bits;
    memcpy(&bits, &score, 4);
    return bits & SIGN ? ~bits : bits | SIGN;
}

__device__ __forceinline__ float score_of(uint32 key) {
    uint32 bits = key & SIGN ? key & ~SIGN : ~key;
    float score;
    memcpy(&score, &bits, 4);
    return score;
}

// Of more than `wanted` entries, keep those whose score is at most `slack` below the last wanted one. Returns the new threshold.
__device__ float prune(Kept& kept, int wanted, float slack) {
    int count = kept.count;
    int lane = threadIdx.x % 32;
    if (threadIdx.x < 32) kept.votes[threadIdx.x] = 0;
    if (threadIdx.x == 0) kept.placed = 0;
    __syncthreads();
    uint32 best = 0;  // the largest key that `wanted` entries reach, bit by bit
    for (int bit = 31; bit >= 0; --bit) {
        uint32 tried = best | 1u << bit;
        int votes = 0;
        for (int first = threadIdx.x - lane; first < count; first += THREADS) {
            int i = first + lane;
            votes += __popc(__ballot_sync(ALL, i < count && static_cast<uint32>(kept.entries[i] >> 32) >= tried));
        }
        if (lane == 0 && votes) atomicAdd(&kept.votes[bit], static_cast<uint32>(votes));
        __syncthreads();
        if (kept.votes[bit] >= static_cast<uint32>(wanted)) best = tried;
    }
    float threshold = score_of(best) - slack;
    uint32 least = rising_key(threshold);
    for (int first = 0; first < count; first += THREADS) {
        int i = first + threadIdx.x;
        uint64 entry = i < count ? kept.entries[i] : 0;
        __syncthreads();  // what is written next was read before
        if (static_cast<uint32>(entry >> 32) >= least) kept.entries[atomicAdd(&kept.placed, 1)] = entry;
    }
    __syncthreads();
    if (threadIdx.x == 0) kept.count = kept.placed;
    __syncthreads();
    return threshold;
}

// The cosine of two rows of `dim` numbers, in float64, rounded once.
__device__ float measure_cosine(const float* row, const float* unit, int dim) {
    double dot = 0., squares = 0., unit_squares = 0.;
    for (int d = 0; d < dim; ++d) {
        double x = row[d], u = unit[d];
        dot += x * u;
        squares += x * x;
        unit_squares += u * u;
    }
    return static_cast<float>(fmin(1., fmax(-1., dot / (sqrt(squares) * sqrt(unit_squares))))) + 0.f;  // no -0
}

// scores [n, width] of rows first_row .. first_row + n, one thread block each; width is a multiple of 4, and what comes after
// `words` counts nothing. vectors [words, dim]; units [words, dim], their directions, of which the scores are the products;
// norms [words], 0 for rows that are nobody's neighbour. slack: how far two scores may be on the wrong sides of each other.
// ids and cosines [n, wanted]: the result, -1 and 0 where there are no more. crowded [n]: 1 where more scores than there is
// room for are too close to tell; then the row has no result.
extern "C" __global__ void __launch_bounds__(THREADS) find_neighbours(
    const float4* scores, long long width, long long first_row, const float* vectors, const float* units, const float* norms,
    long long words, int dim, float slack, int wanted, int* ids, float* cosines, int* crowded) {
    SHARED_MEMORY(memory);
    Kept& kept = *reinterpret_cast<Kept*>(memory);
    const long long row = first_row + blockIdx.x;
    const long long fours = width / 4;
    const float4* mine = scores + blockIdx.x * fours;
    ids += static_cast<long long>(blockIdx.x) * wanted;
    cosines += static_cast<long long>(blockIdx.x) * wanted;
    for (int i = threadIdx.x; i < wanted; i += THREADS) {
        ids[i] = -1;
        cosines[i] = 0.f;
    }
    if (threadIdx.x == 0) {
        kept.count = 0;
        crowded[blockIdx.x] = 0;
    }
    __syncthreads();
    if (norms[row] == 0.f) return;
    float threshold = ANY_SCORE;
    float4 next[FOURS];
    for (int i = 0; i < FOURS; ++i) {
        long long column = threadIdx.x + i * THREADS;
        if (column < fours) next[i] = mine[column];
    }
    for (long long start = 0; start < fours; start += FOURS * THREADS) {
        float4 here[FOURS];
        for (int i = 0; i < FOURS; ++i) {
            here[i] = next[i];
            long long column = start + threadIdx.x + (FOURS + i) * THREADS;  // on its way while this tile is looked at
            if (column < fours) next[i] = mine[column];
        }
        if (kept.count > CAPACITY - TILE) {
            threshold = prune(kept, wanted, slack);
            if (kept.count > CAPACITY - TILE) {
                if (threadIdx.x == 0) crowded[blockIdx.x] = 1;
                return;
            }
        }
        __syncthreads();  // everyone has seen the count
        for (int i = 0; i < FOURS; ++i) {
            long long column = start + threadIdx.x + i * THREADS;
            if (column >= fours) continue;
            const float found[4] = {here[i].x, here[i].y, here[i].z, here[i].w};
            for (int j = 0; j < 4; ++j) {
                long long id = 4 * column + j;
                if (found[j] >= threshold && id < words && id != row && norms[id] > 0.f)
                    kept.entries[atomicAdd(&kept.count, 1)] =
                        static_cast<uint64>(rising_key(found[j])) << 32 | static_cast<uint32>(id);
            }
        }
        __syncthreads();
    }
    if (kept.count > wanted) prune(kept, wanted, slack);
    int count = kept.count;
    for (int i = threadIdx.x; i < count; i += THREADS) {
        uint32 id = static_cast<uint32>(kept.entries[i]);
        float cosine = measure_cosine(vectors + id * static_cast<long long>(dim), units + row * dim, dim);
        kept.entries[i] = static_cast<uint64>(~rising_key(cosine)) << 32 | id;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += THREADS) {
        uint64 entry = kept.entries[i];
        int rank = 0;
        for (int j = 0; j < count; ++j) rank += kept.entries[j] < entry;
        if (rank < wanted) {
            ids[rank] = static_cast<int>(static_cast<uint32>(entry));
            cosines[rank] = score_of(~static_cast<uint32>(entry >> 32));
        }
    }
}
