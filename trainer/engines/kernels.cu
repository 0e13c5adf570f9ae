// CBOW and skip-gram with negative sampling on a GPU: what cpu.py computes for a piece of the text, by one thread block.
//
// The words that are kept, the windows and the negatives are those of the CPU engine (sampling.py): hashes of seed, piece
// and position, so that nothing but token ids crosses the bus. Negatives are shared by BLOCK targets, each counting
// negative_weight (pWord2Vec, Ji et al. 2016, arXiv 1604.04661); windows are weighted (WINDOW + 1 - |d|) / WINDOW.
//
// Rows stay in shared memory for as long as a block of targets needs them. CBOW's context rows lie in a ring: a word's row
// is read once, when the first window reaches it, and written once, when the last has passed (FULL-W2V, Randall et al.
// 2021, doi 10.1145/3447818.3460373). Thread blocks share the tables without locks (Hogwild, Niu et al. 2011,
// arXiv 1106.5730); every update is an atomic addition, so none is lost. A row that very many blocks change at once takes
// a share of each update (staleness.py).
//
// Compiled for one setting at a time (gpu_plan.py): DIM, WINDOW, NEGATIVES (shared by a block), BLOCK (targets, a multiple of
// 4), CHUNK (kept words that are laid out together), THREADS (a multiple of 32; or 1), SPLIT (lanes that share a score, a power
// of two up to 32), SKIPGRAM, SUBWORDS and HALVES (0 or 1), LAST_RATE (of the first), PIECE (raw words), RESIDENT
// (thread blocks that a multiprocessor is to have room for).

#include "cuda/cells.cuh"
#include "cuda/layout.cuh"
#include "cuda/columns.cuh"
#include "cuda/inputs.cuh"
#include "cuda/text.cuh"
#include "cuda/blocks.cuh"
#include "cuda/cbow.cuh"
#include "cuda/skipgram.cuh"

// Add up every thread's loss, in order; the first thread gets the sum.
__device__ double add_losses(Notes& notes, float loss) {
    notes.losses[threadIdx.x] = loss;
    __syncthreads();
    double sum = 0.;
    if (threadIdx.x == 0)
        for (int i = 0; i < THREADS; ++i) sum += notes.losses[i];
    __syncthreads();
    return sum;
}

// Start to copy the ids of a block's negatives.
__device__ void copy_negative_ids(const Task& task, int* ids, long long cursor) {
    for (int k = threadIdx.x; k < NEGATIVES; k += THREADS) copy1(ids + k, task.negatives + cursor + k);
}

__device__ double rate_at(const Task& task, double words) {
    return task.learning_rate * (1. - words / task.total_words * (1. - LAST_RATE));
}

// Train on one piece; measured[0] and [1] become its examples and their loss (nats).
__device__ void train_piece(const Task& task, Work& work, long long piece, double* measured) {
    Notes& notes = *work.notes;
    long long start = piece % task.pieces * PIECE, stop = min(start + PIECE, task.words);
    double before = static_cast<double>(piece / task.pieces * task.words + start);
    double first_rate = rate_at(task, before), last_rate = rate_at(task, before + static_cast<double>(stop - start));
    uint64 key = piece_key(task.seed, piece);
    long long cursor = static_cast<long long>(mix(key) % static_cast<uint64>(task.negative_room));
    long long blocks = 0;
    double examples = 0., loss_sum = 0.;
    if (threadIdx.x == 0) notes.position = start;
    copy_negative_ids(task, notes.negatives[0], cursor);
    wait_for_copies();
    __syncthreads();
    while (notes.position < stop) {
        double share = static_cast<double>(notes.position - start) / static_cast<double>(stop - start);
        float rate = static_cast<float>(first_rate + (last_rate - first_rate) * share);
        __syncthreads();
        fill_chunk(task, notes, key, stop);
        int count = notes.count;
        for (int first = 0; first < count; first += BLOCK, ++blocks) {
            int rows = min(BLOCK, count - first);
            __syncthreads();  // the block before is done
            work.negative_ids = notes.negatives[blocks % 2];
            work.measured = blocks % LOSS_EVERY == 0;
            if (HALVES) work.salt = mix(key + static_cast<uint64>(blocks));
            cursor += NEGATIVES;
            if (cursor >= task.negative_room) cursor = 0;
            copy_negative_ids(task, notes.negatives[(blocks + 1) % 2], cursor);
            float loss = SKIPGRAM ? train_skipgram_block(task, work, first, count, rows, rate)
                                  : train_cbow_block(task, work, first, count, rows, rate);
            if (work.measured) {
                __syncthreads();
                loss_sum += add_losses(notes, loss);
                for (int i = first; i < first + rows; ++i)
                    examples += SKIPGRAM ? window_weight(notes, i) / static_cast<float>(WINDOW) : 1.;
            }
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        measured[0] = examples;
        measured[1] = loss_sum;
    }
}

// Thread blocks take pieces first_piece .. last_piece in order from `queue`, a counter that starts at 0.
// measured [last_piece - first_piece, 2]: examples and loss.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) train_pieces(
    Cell* inputs, Cell* outputs, const uint32* tokens, long long first_word, const long long* row_starts,
    const int* rows, const uint32* keep, const float* input_rates, const float* output_rates, int damped,
    const int* negatives, long long negative_room, uint64 seed, long long first_piece, long long last_piece,
    long long pieces, long long words, double learning_rate, double total_words, float negative_weight,
    float context_gradient, int* queue, double* measured) {
    SHARED_MEMORY(memory);
    const Task task = {inputs, outputs, tokens, first_word, row_starts, rows, keep, input_rates, output_rates,
                       damped, negatives, negative_room, seed, pieces, words, learning_rate, total_words,
                       negative_weight, context_gradient};
    Work work;
    work.states = memory;
    work.near = work.states + STATE_ROWS * STRIDE;
    work.errors = work.near + NEAR_ROWS * STRIDE;
    work.negatives = work.errors + ERROR_ROWS * STRIDE;
    work.scores = reinterpret_cast<Scores*>(memory + ROWS * STRIDE);
    work.notes = reinterpret_cast<Notes*>(work.scores + 1);
    float* scores = reinterpret_cast<float*>(work.scores);  // what is never written in it counts nothing
    for (unsigned i = threadIdx.x; i < sizeof(Scores) / 4; i += THREADS) scores[i] = 0.f;
    while (true) {
        __syncthreads();
        if (threadIdx.x == 0) work.notes->piece = first_piece + atomicAdd(queue, 1);
        __syncthreads();
        long long piece = work.notes->piece;
        if (piece >= last_piece) return;
        train_piece(task, work, piece, measured + 2 * (piece - first_piece));
    }
}
