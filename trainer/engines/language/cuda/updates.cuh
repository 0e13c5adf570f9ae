// How weights change: the global norm of all gradients, whether it is a number, clipping, decay, SGD, Adam, averages.
//
// `tables` lists the parameters, `pieces` where each thread block finds CHUNK numbers of one of them.
#pragma once

struct Table {
    float* weights;
    const float* gradient;  // null: no dense one
    float *first, *second;  // Adam's moments
    float* average;
    long long size;
};

struct Piece {
    int table, number;
};

// parts[i] = the sum of squares of the gradients of piece i.
extern "C" __global__ void square_pieces(const Table* tables, const Piece* pieces, double* parts) {
    __shared__ double sums[THREADS];
    Piece piece = pieces[blockIdx.x];
    const Table table = tables[piece.table];
    long long start = static_cast<long long>(piece.number) * CHUNK, stop = min(start + CHUNK, table.size);
    float sum = 0.f;
    if (table.gradient)
        for (long long i = start + threadIdx.x; i < stop; i += THREADS) sum += table.gradient[i] * table.gradient[i];
    double all = add_up_exactly(sum, sums);
    if (threadIdx.x == 0) parts[blockIdx.x] = all;
}

// parts[i] = the sum of squares of row i of values [.., width]; 0 where rows[i] is -1.
extern "C" __global__ void square_rows(const int* rows, const float* values, double* parts, int width) {
    __shared__ double sums[THREADS];
    const float* from = values + static_cast<long long>(blockIdx.x) * width;
    float sum = 0.f;
    if (rows[blockIdx.x] >= 0)
        for (int j = threadIdx.x; j < width; j += THREADS) sum += from[j] * from[j];
    double all = add_up_exactly(sum, sums);
    if (threadIdx.x == 0) parts[blockIdx.x] = all;
}

// Adds up the losses and the squares, by one thread block, and decides whether weights may change, and by how much.
extern "C" __global__ void judge_block(const float* losses, int rows, const double* parts, int count, double clip,
                                       Outcome* outcome) {
    __shared__ double sums[THREADS];
    double loss = 0., squares = 0.;
    for (int i = threadIdx.x; i < rows; i += THREADS) loss += losses[i];
    for (int i = threadIdx.x; i < count; i += THREADS) squares += parts[i];
    loss = add_up_exactly(loss, sums);
    squares = add_up_exactly(squares, sums);
    if (threadIdx.x != 0) return;
    double norm = sqrt(squares);
    bool good = isfinite(loss) && isfinite(norm) && outcome->stuck == 0.;
    outcome->loss = loss;
    outcome->norm = norm;
    outcome->scale = clip > 0. && norm > clip ? clip / norm : 1.;
    outcome->good = good ? 1. : 0.;
    if (!good) outcome->stuck = 1.;
}

// What Adam adds to a weight for the gradient d, but for the learning rate.
__device__ __forceinline__ float move_moments(float& m, float& v, float d, float fresh1, float fresh2, float epsilon) {
    m += fresh1 * (d - m);
    v += fresh2 * (d * d - v);
    return m / (sqrtf(v) + epsilon);
}

// One step of SGD, or of Adam where a table has moments, and the decay of weights; a table without a gradient decays alone.
extern "C" __global__ void change_pieces(const Table* tables, const Piece* pieces, const Numbers* numbers,
                                         const Outcome* outcome, float fresh1, float fresh2, float epsilon) {
    if (outcome->good == 0.) return;
    Piece piece = pieces[blockIdx.x];
    const Table table = tables[piece.table];
    long long start = static_cast<long long>(piece.number) * CHUNK, stop = min(start + CHUNK, table.size);
    float rate = numbers->rate, keep = numbers->keep, scale = static_cast<float>(outcome->scale);
    if (!table.gradient) {
        for (long long i = start + threadIdx.x; i < stop; i += THREADS) table.weights[i] *= keep;
    } else if (table.first) {
        for (long long i = start + threadIdx.x; i < stop; i += THREADS) {
            float m = table.first[i], v = table.second[i];
            float change = move_moments(m, v, scale * table.gradient[i], fresh1, fresh2, epsilon);
            table.first[i] = m;
            table.second[i] = v;
            table.weights[i] = keep * table.weights[i] - rate * change;
        }
    } else {
        float much = rate * scale;
        for (long long i = start + threadIdx.x; i < stop; i += THREADS)
            table.weights[i] = keep * table.weights[i] - much * table.gradient[i];
    }
}

// The same for the rows of one table that have a gradient; decay has been done. One thread block for each row.
extern "C" __global__ void change_rows(const Table* tables, int number, const int* rows, const float* values, int width,
                                       const Numbers* numbers, const Outcome* outcome, float fresh1, float fresh2,
                                       float epsilon) {
    int row = rows[blockIdx.x];
    if (outcome->good == 0. || row < 0) return;
    const Table table = tables[number];
    float rate = numbers->rate, scale = static_cast<float>(outcome->scale);
    const float* from = values + static_cast<long long>(blockIdx.x) * width;
    long long start = static_cast<long long>(row) * width;
    for (int j = threadIdx.x; j < width; j += THREADS) {
        long long i = start + j;
        float change = scale * from[j];
        if (table.first) {
            float m = table.first[i], v = table.second[i];
            change = move_moments(m, v, change, fresh1, fresh2, epsilon);
            table.first[i] = m;
            table.second[i] = v;
        }
        table.weights[i] -= rate * change;
    }
}

// average += share * (weights - average).
extern "C" __global__ void average_pieces(const Table* tables, const Piece* pieces, const Numbers* numbers,
                                          const Outcome* outcome) {
    if (outcome->good == 0.) return;
    Piece piece = pieces[blockIdx.x];
    const Table table = tables[piece.table];
    long long start = static_cast<long long>(piece.number) * CHUNK, stop = min(start + CHUNK, table.size);
    for (long long i = start + threadIdx.x; i < stop; i += THREADS)
        table.average[i] += numbers->share * (table.weights[i] - table.average[i]);
}
