"""Parts of `bench.real`: pretrained models, public anchors, facts and images."""
