// The plane of the first two principal components, for a few dozen vectors of any length.

/**
 * Where unit vectors lie in the plane in which they spread most (principal components, by way of their Gram matrix).
 * `vectors`: arrays of one length. Returns `points`, [x, y] of each, and `share`, 0 to 1: what the plane shows of the variance.
 */
export function principalPlane(vectors) {
  const n = vectors.length;
  const centred = centre(vectors.map(unit));
  const gram = centred.map((a) => Float64Array.from(centred, (b) => dot(a, b)));
  const total = gram.reduce((sum, row, i) => sum + row[i], 0);
  const points = vectors.map(() => [0, 0]);
  let shown = 0;
  for (const axis of [0, 1]) {
    const [size, direction] = largest(gram);
    if (size <= 1e-12 * (total || 1)) break;
    shown += size;
    // A direction has no sign: the coordinate that is largest is positive, so that the same words always lie alike.
    const peak = direction.reduce((best, x) => (Math.abs(x) > Math.abs(best) + 1e-9 ? x : best), 0);
    const scale = Math.sqrt(size) * Math.sign(peak);
    for (let i = 0; i < n; i++) {
      points[i][axis] = scale * direction[i];
      for (let j = 0; j < n; j++) gram[i][j] -= size * direction[i] * direction[j];
    }
  }
  return { points, share: total ? shown / total : 0 };
}

function unit(vector) {
  const norm = Math.sqrt(dot(vector, vector)) || 1;
  return Float64Array.from(vector, (x) => x / norm);
}

function centre(vectors) {
  const mean = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) vector.forEach((x, k) => (mean[k] += x / vectors.length));
  return vectors.map((vector) => vector.map((x, k) => x - mean[k]));
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

/** The largest eigenvalue of a symmetric matrix without negative ones, and its unit eigenvector: power iteration. */
function largest(matrix) {
  const n = matrix.length;
  // The longest row is never at a right angle to the wanted direction by accident of the numbers.
  let direction = unit(
    matrix.reduce((best, row) => (dot(row, row) > dot(best, best) ? row : best), new Float64Array(n)),
  );
  let size = 0;
  for (let round = 0; round < 1000; round++) {
    const image = Float64Array.from(matrix, (row) => dot(row, direction));
    const next = unit(image);
    const moved = next.reduce((sum, x, i) => sum + (x - direction[i]) ** 2, 0);
    size = dot(image, direction);
    direction = next;
    if (moved < 1e-20) break;
  }
  return [size, direction];
}
