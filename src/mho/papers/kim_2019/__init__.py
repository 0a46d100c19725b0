"""H. Kim et al., arXiv 1907.10228 (2019): imbalanced devices and zero-shifting."""
