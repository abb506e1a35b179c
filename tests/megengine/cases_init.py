"""init: fans and gains exactly, the random ones by their statistics; and the same for random."""

from oracle import group

CASES = [
    group(
        "init",
        "t = F.zeros((4, 3)); c = F.zeros((8, 4, 3, 5)); g = F.zeros((2, 4, 3, 3, 3)); v = F.zeros(4)",
        """
        [float(n) for n in init.calculate_fan_in_and_fan_out(t)]
        [float(n) for n in init.calculate_fan_in_and_fan_out(c)]
        [float(n) for n in init.calculate_fan_in_and_fan_out(g)]
        init.calculate_fan_in_and_fan_out(v)
        float(init.calculate_correct_fan(t, 'fan_in'))
        float(init.calculate_correct_fan(c, 'fan_out'))
        float(init.calculate_correct_fan(c, 'nonsense'))
        float(init.calculate_gain('linear'))
        float(init.calculate_gain('conv2d'))
        float(init.calculate_gain('sigmoid'))
        float(init.calculate_gain('tanh'))
        float(init.calculate_gain('relu'))
        float(init.calculate_gain('leaky_relu'))
        float(init.calculate_gain('leaky_relu', 0.3))
        float(init.calculate_gain('leaky_relu', True))
        float(init.calculate_gain('nonsense'))
        init.zeros_(F.ones(3))
        init.fill_(t, 2.5); t
        init.ones_(t); t
        x = F.ones(3); init.zeros_(x); x
        p = Parameter([1.0, 2.0]); init.fill_(p, 3); p
        i = Tensor([1, 2]); init.fill_(i, 3); i
        init.xavier_uniform_(v)
        init.msra_normal_(v)
        r = init.normal_(t); r
    """,
        grads=False,
    ),
    group(
        "init statistics",
        "t = F.zeros((200, 100)); a = lambda: t.numpy()",
        """
        # uniform_
        init.uniform_(t, -2, 3); [t.shape, t.dtype, bool(abs(a().mean() - 0.5) < 0.05), bool(a().min() >= -2), bool(a().max() <= 3), bool(a().max() > 2.9)]

        # normal_
        init.normal_(t, 1, 2); [bool(abs(a().mean() - 1) < 0.1), bool(abs(a().std() - 2) < 0.1)]

        # xavier_uniform_
        init.xavier_uniform_(t, 2.0); [bool(abs(a().max() - 2 * (6 / 300) ** 0.5) < 0.01), bool(abs(a().mean()) < 0.01)]

        # xavier_normal_
        init.xavier_normal_(t); bool(abs(a().std() - (2 / 300) ** 0.5) < 0.005)

        # msra_uniform_
        init.msra_uniform_(t); bool(abs(a().max() - (6 / 100) ** 0.5) < 0.01)

        # msra_uniform_ of a Linear
        init.msra_uniform_(t, a=5 ** 0.5); bool(abs(a().max() - (6 / 6 / 100) ** 0.5) < 0.01)

        # msra_normal_
        init.msra_normal_(t, mode='fan_out', nonlinearity='relu'); bool(abs(a().std() - (2 / 200) ** 0.5) < 0.005)

        # keeps the object
        s = t; init.normal_(t); s is t

        # Linear's weight
        w = M.Linear(100, 200).weight.numpy(); [bool(abs(w.std() - 0.1) < 0.01), bool(abs(w.mean()) < 0.01)]

        # Linear's bias
        bool((M.Linear(100, 200).bias.numpy() == 0).all())

        # Conv2d's weight
        w = M.Conv2d(20, 50, 5).weight.numpy(); bool(abs(w.std() * 500 ** 0.5 - 1) < 0.05)

        # Conv2d's bias
        bool((M.Conv2d(2, 5, 5).bias.numpy() == 0).all())

        # Embedding's weight
        w = M.Embedding(100, 200).weight.numpy(); [bool(abs(w.std() - 1) < 0.05), bool(abs(w.mean()) < 0.05)]

        # two layers differ
        bool((M.Linear(5, 5).weight.numpy() != M.Linear(5, 5).weight.numpy()).any())
    """,
        grads=False,
    ),
    group(
        "random",
        "",
        """
        # uniform
        x = random.uniform(size=(50, 40)); [x.shape, x.dtype, bool(x.numpy().min() >= 0), bool(x.numpy().max() <= 1), bool(abs(x.numpy().mean() - 0.5) < 0.05)]

        # uniform of a range
        x = random.uniform(-3, 5, (50, 40)).numpy(); [bool(x.min() >= -3), bool(x.max() <= 5), bool(abs(x.mean() - 1) < 0.3)]

        # normal
        x = random.normal(size=(50, 40)); [x.shape, x.dtype, bool(abs(x.numpy().mean()) < 0.1), bool(abs(x.numpy().std() - 1) < 0.1)]

        # normal of a mean
        x = random.normal(2, 3, (50, 40)).numpy(); [bool(abs(x.mean() - 2) < 0.3), bool(abs(x.std() - 3) < 0.3)]

        # without a size
        [random.uniform().shape, random.normal().shape]

        # permutation
        x = random.permutation(10); [x.dtype, sorted(x.tolist())]

        # permutation of rows
        x = Tensor(np.arange(6).reshape(3, 2)); y = random.permutation(x); [y.shape, sorted(y.tolist())]

        # shuffle in place
        x = F.arange(20); y = x; r = random.shuffle(x); [r, y is x, sorted(x.tolist()) == list(range(20))]

        # seed repeats
        random.seed(3); a = random.uniform(size=(5,)).numpy(); random.seed(3); bool((a == random.uniform(size=(5,)).numpy()).all())

        # seeds differ
        random.seed(3); a = random.uniform(size=(5,)).numpy(); random.seed(4); bool((a == random.uniform(size=(5,)).numpy()).all())

        # draws differ
        bool((random.normal(size=(5,)).numpy() == random.normal(size=(5,)).numpy()).all())

        # RNG
        g = random.RNG(seed=5); h = random.RNG(seed=5); bool((g.uniform(size=(4,)).numpy() == h.uniform(size=(4,)).numpy()).all())
    """,
        grads=False,
    ),
]
