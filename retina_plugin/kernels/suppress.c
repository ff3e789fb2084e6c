/* Greedy and soft non-maximum suppression; equals nms.py.
 *
 * IoU is computed by the steps of nms.py: _iou, each rounded on its own (compiled without fused
 * multiply-add), so that equal is equal. An IoU that is NaN is above no threshold: every coordinate
 * is in the area, and so makes the union NaN.
 */
#include <math.h>
#include <stdint.h>

#define BLOCK 256 /* boxes; whole vectors */
#define LANES 8
#define REMOVED -INFINITY /* a score that is below every other */
enum { NAIVE, LINEAR, GAUSSIAN };

typedef struct {
    float x1, y1, x2, y2, area;
} Box;

static inline float smaller(float a, float b) { return a < b ? a : b; }
static inline float larger(float a, float b) { return a > b ? a : b; }

static inline float area_of(const float *box, float offset) {
    return (box[2] - box[0] + offset) * (box[3] - box[1] + offset);
}

static inline float iou_of(Box a, float x1, float y1, float x2, float y2, float area,
                           float offset) {
    float width = larger(smaller(a.x2, x2) - larger(a.x1, x1) + offset, 0);
    float height = larger(smaller(a.y2, y2) - larger(a.y1, y1) + offset, 0);
    float common = width * height;
    return common / (a.area + area - common);
}

typedef struct {
    float x1[BLOCK], y1[BLOCK], x2[BLOCK], y2[BLOCK], area[BLOCK];
    int32_t dropped[BLOCK];
} Block;

static void load(Block *block, const float *boxes, const int64_t *order, int count, float offset) {
    for (int j = 0; j < BLOCK; j++) {
        const float *box = boxes + 4 * order[j < count ? j : 0];
        block->x1[j] = box[0], block->y1[j] = box[1];
        block->x2[j] = box[2], block->y2[j] = box[3];
        block->area[j] = area_of(box, offset);
        block->dropped[j] = j >= count;
    }
}

static void suppress(Block *restrict block, Box by, int from, float threshold, float offset) {
    for (int j = from; j < BLOCK; j++)
        block->dropped[j] |= iou_of(by, block->x1[j], block->y1[j], block->x2[j], block->y2[j],
                                    block->area[j], offset) > threshold;
}

static int is_empty(const Block *block) {
    int32_t all = 1;
    for (int j = 0; j < BLOCK; j++) all &= block->dropped[j];
    return all;
}

/* Drop what kept boxes suppress; a block that is empty needs no more of them. */
static void suppress_by_kept(Block *block, const Box *kept, int64_t count, float threshold,
                             float offset) {
    for (int64_t first = 0; first < count && !is_empty(block); first += BLOCK)
        for (int64_t k = first; k < count && k < first + BLOCK; k++)
            suppress(block, kept[k], 0, threshold, offset);
}

/* Indices of the kept boxes, in `order`; returns how many, `at_most` or fewer.
 * `scratch` has room for `at_most` boxes. */
int64_t nms(const float *boxes, const int64_t *order, int64_t count, float threshold,
            float offset, int64_t at_most, Box *scratch, int64_t *kept) {
    Block block;
    int64_t found = 0;
    for (int64_t start = 0; start < count; start += BLOCK) {
        int size = count - start < BLOCK ? (int)(count - start) : BLOCK;
        load(&block, boxes, order + start, size, offset);
        suppress_by_kept(&block, scratch, found, threshold, offset);
        for (int j = 0; j < size; j++) {
            if (block.dropped[j]) continue;
            if (found == at_most) return found;
            Box own = {block.x1[j], block.y1[j], block.x2[j], block.y2[j], block.area[j]};
            scratch[found] = own;
            kept[found++] = order[start + j];
            suppress(&block, own, j + 1, threshold, offset);
        }
    }
    return found;
}

/* By way of double, whose exponential rounds to the same float in every library. */
static inline float exponential(float x) { return (float)exp((double)x); }

static inline float decay_of(float iou, float threshold, float sigma, const int method) {
    if (method == GAUSSIAN) return exponential(-(iou * iou) / sigma);
    float lowered = method == LINEAR ? 1 - iou : 0;
    return iou >= threshold ? lowered : 1;
}

/* Lower the scores of all boxes by one of them; a score below the least becomes REMOVED. */
static inline void lower(float *restrict scores, const float *restrict columns, int64_t count,
                         Box by, float threshold, float sigma, float least, float offset,
                         const int method) {
    const float *x1 = columns, *y1 = x1 + count, *x2 = y1 + count, *y2 = x2 + count;
    const float *area = y2 + count;
    for (int64_t j = 0; j < count; j++) {
        float iou = iou_of(by, x1[j], y1[j], x2[j], y2[j], area[j], offset);
        float lowered = scores[j] * decay_of(iou, threshold, sigma, method);
        int stays = (scores[j] != REMOVED) & (lowered >= least);
        scores[j] = stays ? lowered : REMOVED;
    }
}

/* The first of the highest scores; `count` where all are removed. */
static int64_t best_of(const float *scores, int64_t count) {
    float lanes[LANES], best = REMOVED;
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = REMOVED;
    int64_t whole = count - count % LANES, at = 0;
    for (int64_t j = 0; j < whole; j += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] = larger(lanes[lane], scores[j + lane]);
    for (int lane = 0; lane < LANES; lane++) best = larger(best, lanes[lane]);
    for (int64_t j = whole; j < count; j++) best = larger(best, scores[j]);
    if (best == REMOVED) return count;
    while (at < count && scores[at] != best) at++;
    return at;
}

/* Indices of the boxes in the order of picking, and their lowered scores; returns how many.
 * `columns` holds x1, y1, x2, y2 of all boxes and room for their areas. */
int64_t soft_nms(float *columns, float *scores, int64_t count, float threshold, float sigma,
                 float least, float offset, int method, int64_t *picked, float *picked_scores) {
    const float *x1 = columns, *y1 = x1 + count, *x2 = y1 + count, *y2 = x2 + count;
    float *area = columns + 4 * count;
    int64_t found = 0;
    for (int64_t j = 0; j < count; j++)
        area[j] = (x2[j] - x1[j] + offset) * (y2[j] - y1[j] + offset);
    for (int64_t at; (at = best_of(scores, count)) < count; found++) {
        Box by = {x1[at], y1[at], x2[at], y2[at], area[at]};
        picked[found] = at;
        picked_scores[found] = scores[at];
        scores[at] = REMOVED;
        if (method == LINEAR)
            lower(scores, columns, count, by, threshold, sigma, least, offset, LINEAR);
        else if (method == GAUSSIAN)
            lower(scores, columns, count, by, threshold, sigma, least, offset, GAUSSIAN);
        else
            lower(scores, columns, count, by, threshold, sigma, least, offset, NAIVE);
    }
    return found;
}
