/* Match anchors with boxes in two passes over blocks of anchors; equals matching.py: match_image.
 *
 * Neither pass keeps an IoU. A block skips the boxes that do not touch its extent. IoU is computed
 * by the steps of boxes.py: iou, each rounded on its own (compiled without fused multiply-add), so
 * that equal is equal. `prepare` says whether all of them are finite.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 128 /* anchors; whole vectors */
#define LANES 8
#define EPS 1e-6f
#define FAR 1e30f
enum { BACKGROUND = -1, IGNORED = -2 };

typedef struct {
    float x1[BLOCK], y1[BLOCK], x2[BLOCK], y2[BLOCK], area[BLOCK];
    float left, top, right, bottom;
} Anchors;

static inline float smaller(float a, float b) { return a < b ? a : b; }
static inline float larger(float a, float b) { return a > b ? a : b; }

static float smallest(const float *values) {
    float lanes[LANES];
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = FAR;
    for (int j = 0; j < BLOCK; j += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] = smaller(lanes[lane], values[j + lane]);
    for (int lane = 1; lane < LANES; lane++) lanes[0] = smaller(lanes[0], lanes[lane]);
    return lanes[0];
}

static float largest(const float *values) {
    float lanes[LANES];
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = -FAR;
    for (int j = 0; j < BLOCK; j += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] = larger(lanes[lane], values[j + lane]);
    for (int lane = 1; lane < LANES; lane++) lanes[0] = larger(lanes[0], lanes[lane]);
    return lanes[0];
}

/* Load `count` anchors; those that take no part, and the rest of the block, are (0, 0, 0, 0). */
static void load(Anchors *block, const float *anchors, const uint8_t *valid, int count) {
    for (int j = 0; j < BLOCK; j++)
        block->x1[j] = block->y1[j] = block->x2[j] = block->y2[j] = 0;
    for (int j = 0; j < count; j++) {
        if (valid && !valid[j]) continue;
        block->x1[j] = anchors[4 * j];
        block->y1[j] = anchors[4 * j + 1];
        block->x2[j] = anchors[4 * j + 2];
        block->y2[j] = anchors[4 * j + 3];
    }
    for (int j = 0; j < BLOCK; j++)
        block->area[j] = (block->x2[j] - block->x1[j]) * (block->y2[j] - block->y1[j]);
    block->left = smallest(block->x1);
    block->top = smallest(block->y1);
    block->right = largest(block->x2);
    block->bottom = largest(block->y2);
}

static inline int touches(const Anchors *block, const float *box) {
    return box[0] < block->right && box[2] > block->left && box[1] < block->bottom &&
           box[3] > block->top;
}

static void overlaps(const Anchors *restrict block, const float *box, float *restrict iou) {
    float x1 = box[0], y1 = box[1], x2 = box[2], y2 = box[3], area = (x2 - x1) * (y2 - y1);
    for (int j = 0; j < BLOCK; j++) {
        float width = larger(smaller(block->x2[j], x2) - larger(block->x1[j], x1), 0);
        float height = larger(smaller(block->y2[j], y2) - larger(block->y1[j], y1), 0);
        float common = width * height;
        iou[j] = common / larger(area + block->area[j] - common, EPS);
    }
}

/* Of numbers that are not negative, whose bits are in the same order. */
static float highest(const float *iou) {
    int32_t bits = 0;
    for (int j = 0; j < BLOCK; j++) {
        int32_t own;
        memcpy(&own, iou + j, sizeof own);
        bits = own > bits ? own : bits;
    }
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int first_of(const float *iou, float value) {
    int j = 0;
    while (j < BLOCK - 1 && iou[j] != value) j++;
    return j;
}

static inline int is_box(const float *box) {
    int finite = 1;
    for (int side = 0; side < 4; side++) finite &= fabsf(box[side]) < INFINITY;
    return finite && box[2] - box[0] > 0 && box[3] - box[1] > 0;
}

static inline int is_near(const float *box, float far) {
    int near = 1;
    for (int side = 0; side < 4; side++) near &= fabsf(box[side]) <= far;
    return near;
}

/* Copy the boxes; one without area, or not finite, becomes (0, 0, 0, 0), which overlaps nothing.
 * Returns 0 where an anchor that takes part or a box is farther than `far`, 1 without any box, 2
 * otherwise. */
int prepare(const float *anchors, const uint8_t *valid, int64_t count, const float *boxes,
            int64_t box_count, float far, float *clean) {
    int near = 1, found = 1;
    for (int64_t j = 0; j < count; j++)
        near &= is_near(anchors + 4 * j, far) | (valid && !valid[j]);
    for (int64_t box = 0; box < box_count; box++) {
        int good = is_box(boxes + 4 * box);
        for (int side = 0; side < 4; side++)
            clean[4 * box + side] = good ? boxes[4 * box + side] : 0;
        near &= is_near(clean + 4 * box, far);
        found |= good << 1;
    }
    return near ? found & 2 ? 2 : 1 : 0;
}

/* Of each box the best IoU in any share, `best` and `where` (shares, box_count), becomes its goal,
 * in the first share: the IoU with which it claims an anchor, -1 where it claims none. */
void set_goals(float *best, int64_t *where, int64_t shares, int64_t box_count, float least) {
    for (int64_t box = 0; box < box_count; box++) {
        for (int64_t at = box + box_count; at < shares * box_count; at += box_count) {
            if (best[at] <= best[box]) continue;
            best[box] = best[at];
            where[box] = where[at];
        }
        if (!(best[box] > 0 && best[box] >= least)) best[box] = -1;
    }
}

/* The highest IoU of each box with the anchors first .. first + count - 1, and the first of them
 * that has it; `best` begins with 0, and where that stays, `where` does too. */
void best_overlaps(const float *anchors, const uint8_t *valid, int64_t first, int64_t count,
                   const float *boxes, int64_t box_count, float *best, int64_t *where) {
    Anchors block;
    float iou[BLOCK];
    for (int64_t start = first; start < first + count; start += BLOCK) {
        int64_t left = first + count - start;
        load(&block, anchors + 4 * start, valid ? valid + start : 0, left < BLOCK ? left : BLOCK);
        for (int64_t box = 0; box < box_count; box++) {
            if (!touches(&block, boxes + 4 * box)) continue;
            overlaps(&block, boxes + 4 * box, iou);
            float found = highest(iou);
            if (found <= best[box]) continue;
            best[box] = found;
            where[box] = start + first_of(iou, found);
        }
    }
}

/* Codes of the anchors first .. first + count - 1, in which the first box is `base`; where asked for,
 * their best IoU and the labels of their boxes, -1 for none. The first box of the best IoU decides,
 * then the last box that claims the anchor: by an IoU equal to its goal, or, where `where` is given
 * and the goal is not negative, by naming the anchor. */
void write_codes(const float *anchors, const uint8_t *valid, int64_t first, int64_t count,
                 const float *boxes, int64_t box_count, const float *goals, const int64_t *where,
                 float low, float high, float positive_from, int64_t base, int64_t *codes,
                 float *best, const int64_t *box_labels, int64_t *labels) {
    Anchors block;
    float iou[BLOCK], own[BLOCK];
    int32_t matched[BLOCK], claimed[BLOCK];
    for (int64_t start = first; start < first + count; start += BLOCK) {
        int64_t left = first + count - start;
        int size = left < BLOCK ? left : BLOCK;
        load(&block, anchors + 4 * start, valid ? valid + start : 0, size);
        for (int j = 0; j < BLOCK; j++) own[j] = matched[j] = 0, claimed[j] = -1;
        for (int32_t box = 0; box < box_count; box++) {
            if (!touches(&block, boxes + 4 * (int64_t)box)) continue;
            overlaps(&block, boxes + 4 * (int64_t)box, iou);
            for (int j = 0; j < BLOCK; j++) {
                matched[j] = iou[j] > own[j] ? box : matched[j];
                own[j] = larger(iou[j], own[j]);
            }
            float goal = goals[box];
            if (goal < 0) continue;
            if (!where) {
                for (int j = 0; j < BLOCK; j++) claimed[j] = iou[j] == goal ? box : claimed[j];
            } else if (where[box] >= start && where[box] < start + size) {
                claimed[where[box] - start] = box;
            }
        }
        for (int j = 0; j < size; j++) {
            int64_t code = own[j] >= low && own[j] < high ? BACKGROUND : IGNORED;
            code = own[j] >= positive_from ? matched[j] : code;
            code = claimed[j] >= 0 ? claimed[j] : code;
            int takes_part = !valid || valid[start + j];
            code = takes_part ? code : IGNORED;
            codes[start + j] = code + base;
            if (best) best[start + j] = takes_part ? own[j] : -1;
            if (labels) labels[start + j] = code >= 0 ? box_labels[code] : -1;
        }
    }
}
