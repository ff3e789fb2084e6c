#define _DEFAULT_SOURCE /* for madvise */
/* Sum and gradient of the sigmoid focal loss in one pass; equals losses/focal.py: focal_loss.
 *
 * With z the logit of being wrong (x for a negative, -x for the positive of its row) and
 * p = sigmoid(z) = 1 - p_t, an element costs c p^gamma softplus(z) and its slope over z is
 * c p^gamma (gamma (1 - p) softplus(z) + p): the formulas of the paper's appendix A.
 * Blocks stay in the first-level cache; their loops have no branch, so that a compiler
 * turns them into vector instructions.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#define BLOCK 2048
#define LANES 16
enum { FLOAT32, BFLOAT16, FLOAT16 };

static inline float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float widen_bfloat16(uint16_t half) { return from_bits((uint32_t)half << 16); }

static inline uint16_t narrow_bfloat16(float value) {
    uint32_t bits = to_bits(value);
    uint16_t rounded = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    return value != value ? 0x7fc0 : rounded;
}

/* A half keeps its 15 lower bits shifted by 13; the factor mends the bias of the exponent. */
static inline float widen_float16(uint16_t half) {
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    float value = from_bits(magnitude) * 0x1p112f;
    value = magnitude >= 0x0f800000 ? from_bits(magnitude | 0x7f800000) : value;
    return from_bits(to_bits(value) | (uint32_t)(half & 0x8000) << 16);
}

/* Rounds to nearest even: normal numbers by their bits, small ones by adding 2^-1 (ulp 2^-24). */
static inline uint16_t narrow_float16(float value) {
    uint32_t bits = to_bits(value), magnitude = bits & 0x7fffffff;
    uint32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    uint32_t small = to_bits(from_bits(magnitude) + 0.5f) - 0x3f000000;
    uint32_t half = magnitude < 0x38800000 ? small : normal;
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? 0x7e00 : half;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
}

static void load(float *to, const void *from, int64_t first, int count, int dtype) {
    if (dtype == FLOAT32) {
        memcpy(to, (const float *)from + first, count * sizeof(float));
    } else if (dtype == BFLOAT16) {
        const uint16_t *halves = (const uint16_t *)from + first;
        for (int j = 0; j < count; j++) to[j] = widen_bfloat16(halves[j]);
    } else {
        const uint16_t *halves = (const uint16_t *)from + first;
        for (int j = 0; j < count; j++) to[j] = widen_float16(halves[j]);
    }
}

static void store(void *to, int64_t first, const float *from, int count, int dtype) {
    if (dtype == FLOAT32) {
        memcpy((float *)to + first, from, count * sizeof(float));
    } else if (dtype == BFLOAT16) {
        uint16_t *halves = (uint16_t *)to + first;
        for (int j = 0; j < count; j++) halves[j] = narrow_bfloat16(from[j]);
    } else {
        uint16_t *halves = (uint16_t *)to + first;
        for (int j = 0; j < count; j++) halves[j] = narrow_float16(from[j]);
    }
}

/* exp(x) for x <= 0, within 2 units in the last place; in two steps, for numbers below 2^-126. */
static inline float exp_negative(float x) {
    x = x < -110.0f ? -110.0f : x;
    float n = rintf(x * 1.44269504f);
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float y = 1.0f / 5040;
    y = y * r + 1.0f / 720;
    y = y * r + 1.0f / 120;
    y = y * r + 1.0f / 24;
    y = y * r + 1.0f / 6;
    y = y * r + 0.5f;
    y = y * r + 1.0f;
    y = y * r + 1.0f;
    int32_t exponent = (int32_t)n, half = exponent >> 1;
    y *= from_bits((uint32_t)(half + 127) << 23);
    return y * from_bits((uint32_t)(exponent - half + 127) << 23);
}

/* log((1 + s) / (1 - s)) for 0 <= s <= 1/3. */
static inline float log_ratio(float s) {
    float t = s * s, y = 1.0f / 15;
    y = y * t + 1.0f / 13;
    y = y * t + 1.0f / 11;
    y = y * t + 1.0f / 9;
    y = y * t + 1.0f / 7;
    y = y * t + 1.0f / 5;
    y = y * t + 1.0f / 3;
    return 2 * (s + s * t * y);
}

/* p^gamma = p^whole p^rest; the compiler sees whole, and whether there is a rest. */
static inline float modulation(float p, float log_p, float rest, const int whole,
                               const int has_rest) {
    float m = has_rest ? exp_negative(rest * log_p) : 1.0f;
    if (whole == 1 || whole == 3 || whole == 5) m *= p;
    if (whole == 2 || whole == 3) m *= p * p;
    if (whole == 4 || whole == 5) m *= (p * p) * (p * p);
    return m;
}

/* z becomes the slope; returns the sum of a block, padded to whole lanes with c = 0. */
static inline double block(float *restrict z, const float *restrict c, int count, float gamma,
                           float rest, const int whole, const int has_rest) {
    double sums[LANES] = {0};
    for (int first = 0; first < count; first += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            float x = z[first + lane], scale = c[first + lane];
            float e = exp_negative(-fabsf(x));
            float inverse = 1.0f / ((1 + e) * (2 + e));
            float larger = inverse * (2 + e), smaller = e * larger; /* sigmoid(+-|x|) */
            float log1p_e = log_ratio(e * (inverse * (1 + e)));
            float p = x >= 0 ? larger : smaller, q = x >= 0 ? smaller : larger;
            float softplus = (x >= 0 ? x : 0.0f) + log1p_e;
            float log_p = (x >= 0 ? 0.0f : x) - log1p_e;
            float m = scale * modulation(p, log_p, rest, whole, has_rest);
            sums[lane] += m * softplus;
            z[first + lane] = m * (gamma * q * softplus + p);
        }
    }
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += sums[lane];
    return sum;
}

static double block_of(float *z, const float *c, int count, float gamma) {
    float whole = floorf(gamma), rest = gamma - whole;
#define CASE(n)                                                                  \
    if (whole == n && rest == 0.0f) return block(z, c, count, gamma, 0, n, 0); \
    if (whole == n) return block(z, c, count, gamma, rest, n, 1);
    CASE(0) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5)
#undef CASE
    return block(z, c, count, gamma, gamma, 0, 1);
}

/* Ask for pages of 2 MB: the first touch of 64 MB of new memory in pages of 4 KB costs more time
 * than the loss. */
void use_huge_pages(void *memory, int64_t bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 1 << 21;
    uintptr_t first = ((uintptr_t)memory + page - 1) & -page;
    uintptr_t last = ((uintptr_t)memory + (uintptr_t)bytes) & -page;
    if (last > first) madvise((void *)first, last - first, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

/* Loss sum of the elements first .. first + count - 1 of (M, K) logits, and their gradient.
 *
 * labels: (M,) in 0..K, K is background.  weights: (M,), or NULL for 1.
 * alpha: (2, K), weight of the positives and of the negatives of each class.
 * gradient: (M, K) in the dtype of the logits, or NULL.
 */
double focal_loss(const void *logits, const int64_t *labels, const float *weights,
                  const float *alpha, float gamma, int64_t classes, int64_t first, int64_t count,
                  int dtype, void *gradient) {
    float z[BLOCK], c[BLOCK];
    int positives[BLOCK];
    double sum = 0;
    for (int64_t start = first; start < first + count; start += BLOCK) {
        int64_t left = first + count - start;
        int size = left < BLOCK ? (int)left : BLOCK, found = 0;
        load(z, logits, start, size, dtype);
        for (int j = size; j < (size + LANES - 1) / LANES * LANES; j++) z[j] = c[j] = 0;
        for (int j = 0; j < size;) {
            int64_t row = (start + j) / classes, k = (start + j) % classes;
            int stop = classes - k < size - j ? j + (int)(classes - k) : size;
            float weight = weights ? weights[row] : 1.0f;
            const float *negative = alpha + classes + k - j;
            for (int i = j; i < stop; i++) c[i] = weight * negative[i];
            int64_t at = labels[row] - k + j;
            if (labels[row] < classes && at >= j && at < stop) {
                c[at] = weight * alpha[labels[row]];
                z[at] = -z[at];
                positives[found++] = (int)at;
            }
            j = stop;
        }
        sum += block_of(z, c, size, gamma);
        for (int i = 0; i < found; i++) z[positives[i]] = -z[positives[i]];
        if (gradient) store(gradient, start, z, size, dtype);
    }
    return sum;
}
