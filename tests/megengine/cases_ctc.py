"""Connectionist temporal classification."""

from oracle import differs, group

CASES = [
    group(
        "ctc_loss",
        """
        x = f32(5, 3, 4, seed=1)
        p = Tensor(np.random.RandomState(2).dirichlet(np.ones(4), (5, 3)).astype("float32"))
        times = Tensor([5, 4, 3])
        labels = Tensor([[1, 2], [3, 3], [2, 0]])
        sizes = Tensor([2, 2, 1])
        """,
        """
        F.loss.ctc_loss(p, times, labels, sizes)
        F.loss.ctc_loss(p, times, labels, sizes, reduction="none")
        F.loss.ctc_loss(p, times, labels, sizes, 0, "sum")
        F.loss.ctc_loss(p, times, Tensor([1, 2, 3, 3, 2]), sizes, reduction="none")
        F.loss.ctc_loss(p, times, Tensor([[1, 2], [0, 0], [2, 1]]), sizes, blank=3, reduction="none")
        F.loss.ctc_loss(F.softmax(x, 2), times, labels, sizes)
        F.loss.ctc_loss(p, times, labels, sizes, reduction="max")
        F.loss.ctc_loss(p, times, labels, sizes, blank=4)
        F.loss.ctc_loss(p, times, labels, sizes, blank=-1)
        F.loss.ctc_loss(p, times, labels, Tensor([2, 0, 1]))
        F.loss.ctc_loss(p, times, labels, Tensor([2, 3, 1]))
        F.loss.ctc_loss(p, Tensor([6, 4, 3]), labels, sizes)
        F.loss.ctc_loss(p, Tensor([0, 4, 3]), labels, sizes)
        F.loss.ctc_loss(p, Tensor([5]), labels, sizes)
        F.loss.ctc_loss(p, times, Tensor([1, 2, 3]), sizes)
        F.loss.ctc_loss(p, times, Tensor([[1, 7], [3, 3], [2, 0]]), sizes)
        F.loss.ctc_loss(p[0], times, labels, sizes)
    """,
        differs(
            "F.loss.ctc_loss(p, Tensor([5, 2, 3]), labels, sizes, reduction='sum')",
            "labels that no path spells have no gradient",
            gives="F.loss.ctc_loss(p[:, :1], times[:1], labels[:1], sizes[:1], reduction='sum')"
            " + F.loss.ctc_loss(p[:, 2:], times[2:], labels[2:], sizes[2:], reduction='sum') + 86.643394",
        ),
        rtol=1e-4,
    ),
]
