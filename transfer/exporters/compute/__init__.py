"""Which engine computes an export: TensorFlow, or OpenVINO where that is faster on this machine and gives the same answers.

The export is TensorFlow's, and its own decoder decodes every image; only what follows, the signature `images`, is computed by
OpenVINO, from the same graph with its weights inside, which `foreign` has looked at before. Both engines are measured once for each
machine and export, when it is first used and not at the end of `fit`: the machine that serves need not be the one that trained.
"""
