"""Stock MMDetection's RetinaNet and ours, stage by stage, measured by turns."""
