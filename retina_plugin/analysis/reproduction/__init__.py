"""The paper's ablations: which runs, their figures, tables beside the paper's, its claims."""
