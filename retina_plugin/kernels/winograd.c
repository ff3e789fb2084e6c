/* The transforms of a 3x3 convolution by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray,
 * arXiv 1509.09308): a tile of 4x4 outputs takes 36 products a channel instead of 144. The products
 * themselves are 36 matrix products, which the caller computes.
 *
 * Interpolation points: 0, +-3/4, +-3/2 and infinity. All constants but those of the weights are
 * exact in binary, and rounding errors are half of those with Lavin and Gray's 0, +-1, +-2 and
 * infinity (measured; the way: Barabasz et al., arXiv 1803.10986).
 *
 * Maps lie channels last. A tile is an image, a row and a column of tiles, counted in that order;
 * what lies outside a map is zero. Transformed tiles are (36, tiles, channels).
 */
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#define P 0.75f
#define Q 1.5f
#define PP 0.5625f /* P^2 */
#define QQ 2.25f
#define SUM 2.8125f      /* P^2 + Q^2 */
#define PRODUCT 1.265625f /* P^2 Q^2 */

/* Channels that are computed at once; a compiler splits them where its registers are narrower. */
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t Mask __attribute__((vector_size(LANES * sizeof(int32_t))));

typedef struct {
    int64_t height, width, channels;
    int64_t image_step, row_step, column_step; /* in numbers */
    int64_t top, left;                         /* cells above and left of the first tile */
    int64_t rows, columns;                     /* of tiles */
} Map;

/* Address of each cell of side x side of a tile, `outside` for those that are not on the map. */
static void cells(const Map *map, float *data, float *outside, int64_t tile, int side,
                  float **found) {
    int64_t column = tile % map->columns, row = tile / map->columns % map->rows;
    float *image = data + tile / (map->columns * map->rows) * map->image_step;
    for (int i = 0; i < side; i++) {
        int64_t y = row * 4 - map->top + i;
        for (int j = 0; j < side; j++) {
            int64_t x = column * 4 - map->left + j;
            int inside = y >= 0 && y < map->height && x >= 0 && x < map->width;
            found[side * i + j] =
                inside ? image + y * map->row_step + x * map->column_step : outside;
        }
    }
}

static inline Lanes load(const float *from, int count) {
    Lanes lanes = {0};
    memcpy(&lanes, from, count * sizeof(float));
    return lanes;
}

static inline void store(float *to, Lanes lanes, int count) {
    memcpy(to, &lanes, count * sizeof(float));
}

/* Six values of a tile's line of six inputs. */
static inline void of_input(const Lanes d[6], Lanes v[6]) {
    Lanes even_p = d[4] - QQ * d[2], odd_p = P * (d[3] - QQ * d[1]);
    Lanes even_q = d[4] - PP * d[2], odd_q = Q * (d[3] - PP * d[1]);
    v[0] = PRODUCT * d[0] - SUM * d[2] + d[4];
    v[1] = even_p + odd_p;
    v[2] = even_p - odd_p;
    v[3] = even_q + odd_q;
    v[4] = even_q - odd_q;
    v[5] = d[5] - SUM * d[3] + PRODUCT * d[1];
}

/* Four outputs of a line of six products. */
static inline void of_products(const Lanes m[6], Lanes y[4]) {
    Lanes sum_p = m[1] + m[2], sum_q = m[3] + m[4];
    Lanes half_p = P * (m[1] - m[2]), half_q = Q * (m[3] - m[4]);
    y[0] = m[0] + sum_p + sum_q;
    y[1] = half_p + half_q;
    y[2] = PP * sum_p + QQ * sum_q;
    y[3] = PP * half_p + QQ * half_q + m[5];
}

/* Six values of a line of four gradients of outputs: `of_products` transposed. */
static inline void of_outer(const Lanes g[4], Lanes e[6]) {
    Lanes even_p = g[0] + PP * g[2], odd_p = P * (g[1] + PP * g[3]);
    Lanes even_q = g[0] + QQ * g[2], odd_q = Q * (g[1] + QQ * g[3]);
    e[0] = g[0];
    e[1] = even_p + odd_p;
    e[2] = even_p - odd_p;
    e[3] = even_q + odd_q;
    e[4] = even_q - odd_q;
    e[5] = g[3];
}

static inline void input_block(float *const *source, int64_t first, int count, float *target,
                               int64_t step) {
    Lanes between[6][6], line[6], found[6];
    for (int j = 0; j < 6; j++) {
        for (int i = 0; i < 6; i++) line[i] = load(source[6 * i + j] + first, count);
        of_input(line, found);
        for (int i = 0; i < 6; i++) between[i][j] = found[i];
    }
    for (int i = 0; i < 6; i++) {
        of_input(between[i], found);
        for (int j = 0; j < 6; j++) store(target + (6 * i + j) * step + first, found[j], count);
    }
}

static inline void outer_block(float *const *source, int64_t first, int count, float *target,
                               int64_t step) {
    Lanes between[6][4], line[4], found[6];
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < 4; i++) line[i] = load(source[4 * i + j] + first, count);
        of_outer(line, found);
        for (int i = 0; i < 6; i++) between[i][j] = found[i];
    }
    for (int i = 0; i < 6; i++) {
        of_outer(between[i], found);
        for (int j = 0; j < 6; j++) store(target + (6 * i + j) * step + first, found[j], count);
    }
}

#define TRANSFORM(name, block, side)                                                      \
    void name(const Map *map, float *data, float *zeros, int64_t first, int64_t count,    \
              float *target, int64_t step) {                                              \
        float *source[side * side];                                                       \
        for (int64_t tile = first; tile < first + count; tile++) {                        \
            float *own = target + (tile - first) * map->channels;                         \
            int64_t c = 0;                                                                \
            cells(map, data, zeros, tile, side, source);                                  \
            for (; c + LANES <= map->channels; c += LANES)                                \
                block(source, c, LANES, own, step);                                       \
            if (c < map->channels) block(source, c, (int)(map->channels - c), own, step); \
        }                                                                                 \
    }

/* Tiles first .. first + count - 1 of a map, transformed; `step` numbers from one of the 36 matrices
 * to the next.  zeros: as many as channels. */
TRANSFORM(winograd_input, input_block, 6)

/* The same of the gradient of a convolution's output. */
TRANSFORM(winograd_outer, outer_block, 4)

static inline void output_block(const float *products, int64_t step, int64_t first, int count,
                                const float *bias, float *const *residual, int relu,
                                float *const *target) {
    Lanes between[4][6], line[6], found[4], zero = {0};
    Lanes shift = bias ? load(bias + first, count) : zero;
    for (int j = 0; j < 6; j++) {
        for (int i = 0; i < 6; i++) line[i] = load(products + (6 * i + j) * step + first, count);
        of_products(line, found);
        for (int i = 0; i < 4; i++) between[i][j] = found[i];
    }
    for (int i = 0; i < 4; i++) {
        of_products(between[i], found);
        for (int j = 0; j < 4; j++) {
            Lanes value = found[j] + shift;
            if (residual) value += load(residual[4 * i + j] + first, count);
            if (relu) value = (Lanes)((Mask)value & ~(value < zero)); /* keeps NaN, as PyTorch's */
            store(target[4 * i + j] + first, value, count);
        }
    }
}

/* The convolution's output from the products of tiles, plus bias and residual (either may be NULL;
 * the residual lies as the output does), through a ReLU if asked for.  spare: as many numbers as
 * channels, of this thread alone; zeros: as many. */
void winograd_output(const Map *map, const float *products, int64_t step, int64_t first,
                     int64_t count, const float *bias, float *residual, int relu, float *data,
                     float *zeros, float *spare) {
    float *target[16], *added[16];
    for (int64_t tile = first; tile < first + count; tile++) {
        const float *own = products + (tile - first) * map->channels;
        int64_t c = 0;
        cells(map, data, spare, tile, 4, target);
        if (residual) cells(map, residual, zeros, tile, 4, added);
        float *const *sums = residual ? added : 0;
        for (; c + LANES <= map->channels; c += LANES)
            output_block(own, step, c, LANES, bias, sums, relu, target);
        if (c < map->channels)
            output_block(own, step, c, (int)(map->channels - c), bias, sums, relu, target);
    }
}
