"""The tables of reproduced rows: which rows the paper compares, and what they are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """Rows that the paper compares."""

    title: str
    prefix: str  # of their names
    baseline: str
    lead: str  # what they are

    def has(self, row: str) -> bool:
        """Whether a row stands in the table."""
        return row.startswith(self.prefix)

    def short(self, row: str) -> str:
        """A row's name without what all of the table have in common."""
        return row.removeprefix(self.prefix)


BLOCKS = (
    Block(
        "Section 5.1: initialisation, hinge",
        "section5_",
        "section5_ce_prior",
        "Plain cross entropy on all anchors, nearly all of them background. It starts with every "
        "output at 0.5 (usual initialisation), where the paper's diverges, or at the prior pi, "
        "0.01. A hinge costs nothing where p_t, the probability of the truth, is high enough; the "
        "paper found it unstable and gives no number.",
    ),
    Block(
        "Table 1a: alpha-balanced cross entropy",
        "table1a_",
        "table1a_alpha0p50",
        "Cross entropy in which an anchor on an object weighs alpha, one on background 1 - alpha.",
    ),
    Block(
        "Table 1b: focal loss, each gamma with the alpha that the paper found best",
        "table1b_",
        "table1b_gamma0",
        "The higher gamma, the less an anchor counts that is classified well already; gamma 0 is "
        "cross entropy.",
    ),
    Block(
        "Table 1c: scales and aspect ratios of anchors",
        "table1c_",
        "table1c_scales1_ratios1",
        "How many sizes and shapes of anchors stand on each cell; all with focal loss.",
    ),
    Block(
        "Table 1d: OHEM against focal loss",
        "table1d_",
        "table1d_fl",
        "Online hard example mining trains on the anchors with the highest loss: so many of an "
        "image, without those that overlap a harder one by more than the NMS threshold; 1:3 takes "
        "three on background for each on an object. The paper's are of ResNet-101.",
    ),
    Block(
        "Appendix: FL* against FL and CE",
        "appendix_",
        "appendix_ce",
        "FL* is another loss that costs little where an example is easy: cross entropy of gamma "
        "times the logit plus beta, divided by gamma; both numbers are in the name.",
    ),
    Block(
        "Section 4.1: the prior",
        "section4_",
        "table1b_gamma2",
        "Focal loss from other probabilities of an object at the start; the baseline has 0.01.",
    ),
    Block(
        "Table 1e: depth and scale",
        "table1e_",
        "table1e_r50_600",
        "ResNet-50 and -101 at several lengths of an image's shorter side, in pixels. The paper's "
        "numbers are on test-dev.",
    ),
    Block(
        "Table 2: scale jitter and a longer schedule",
        "table2_",
        "table2_r101",
        "The paper's best models; its numbers are on test-dev.",
    ),
    Block(
        "Section 3: focal loss over a softmax",
        "section3_",
        "table1b_gamma2",
        "One softmax over the classes and background, where the baseline has a sigmoid a class.",
    ),
)
