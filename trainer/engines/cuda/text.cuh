// Reading the text: which words are kept, and where their lines end. The same hashes and rules as sampling.py.
#pragma once

__device__ __forceinline__ uint64 piece_key(uint64 seed, uint64 piece) { return mix(mix(seed + STEP) + piece * STEP); }

// notes.tokens: raw words position .. position + TILE, those that subsampling drops set to 0.
__device__ void sift_tile(const Task& task, Notes& notes, uint64 key, long long position, long long stop) {
    for (int i = threadIdx.x; i < TILE; i += THREADS) {
        uint32 token = 0;
        if (position + i < stop) {
            token = task.tokens[position + i - task.first_word];
            uint32 word = token & ~LINE_END;
            if (word) {
                uint32 draw = static_cast<uint32>(mix(key + static_cast<uint64>(position + i) * STEP) >> 32);
                if (draw > task.keep[word - 1]) token &= LINE_END;
            }
        }
        notes.tokens[i] = token;
    }
}

// End the line that began with word `start` of the chunk, by the first warp; returns the words of the chunk then.
// A line of one word has no context and is dropped.
__device__ int close_line(Notes& notes, int start, int count) {
    if (count - start < 2) return start;
    for (int i = start + threadIdx.x; i < count; i += WARP) {
        notes.line_starts[i] = start;
        notes.line_ends[i] = count;
    }
    return count;
}

// sampling.fill_chunk, by the whole block: read on from notes.position until the chunk is full or `stop` is reached.
__device__ void fill_chunk(const Task& task, Notes& notes, uint64 key, long long stop) {
    int start = 0, count = 0, lane = threadIdx.x;  // start, count and position are the same in all lanes of the first warp
    long long position = notes.position;
    if (threadIdx.x == 0) notes.count = -1;        // not done
    while (true) {
        sift_tile(task, notes, key, position, stop);
        __syncthreads();
        if (threadIdx.x < WARP) {
            bool done = false;
            int size = static_cast<int>(stop - position < TILE ? stop - position : TILE), next = 0;
            while (next < size && !done) {
                int some = size - next < WARP ? size - next : WARP;
                uint32 token = lane < some ? notes.tokens[next + lane] : 0;
                uint32 kept = __ballot_sync(ALL, (token & ~LINE_END) != 0), ends = __ballot_sync(ALL, token >= LINE_END);
                int from = 0;  // in this group of up to 32 words
                while (from < some && !done) {
                    int to = some;
                    uint32 left = ends >> from;
                    if (left) to = from + __ffs(left);
                    bool ended = left != 0;
                    uint32 here = kept & (to == 32 ? ALL : (1u << to) - 1u) & (ALL << from);
                    if (count + __popc(here) >= CHUNK) {  // full: cut the line after the word that fills the chunk
                        for (int over = count + __popc(here) - CHUNK; over > 0; --over) here &= ~(1u << (31 - __clz(here)));
                        to = 32 - __clz(here);
                        done = ended = true;
                    }
                    if (here >> lane & 1u)
                        notes.words[count + __popc(here & ((1u << lane) - 1u))] = static_cast<int>(token & ~LINE_END) - 1;
                    count += __popc(here);
                    __syncwarp();  // a dropped line's place is written to again
                    if (ended) {
                        count = start = close_line(notes, start, count);
                        done = done || count + 1 >= CHUNK;
                    }
                    from = to;
                }
                next += from;
            }
            if (position + next >= stop && !done) {
                count = close_line(notes, start, count);
                done = true;
            }
            if (lane == 0) {
                notes.position = position + next;
                if (done) notes.count = count;
            }
        }
        __syncthreads();
        position = notes.position;
        if (notes.count >= 0) return;  // the next write to it is behind another barrier
    }
}
