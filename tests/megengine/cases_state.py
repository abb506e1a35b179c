"""state_dict and load_state_dict of modules: names, values, strictness, closures, errors."""

from oracle import differs, group

NET = """
from collections import OrderedDict
class Net(M.Module):
    def __init__(self):
        super().__init__()
        self.conv = M.Conv2d(1, 2, 1)
        self.bn = M.BatchNorm2d(2)
        self.p = Parameter([3.0, 4.0])
        self.b = Tensor([5.0])
        self.parts = [M.Linear(1, 1), Parameter([6.0])]
    def forward(self, x):
        return x
n = Net()
s = n.state_dict()
"""

CASES = [
    group(
        "state_dict",
        NET,
        """
        list(s)
        type(s)
        type(s['p'])
        s['p']
        s['bn.running_var']
        s['p'].flags.writeable
        list(n.state_dict(prefix='x.'))
        type(n.state_dict(keep_var=True)['p'])
        n.state_dict(keep_var=True)['p'] is n.p
        n.p[0] = 9.0; s['p']
        M.ReLU().state_dict()
    """,
        grads=False,
    ),
    group(
        "load_state_dict",
        NET,
        """
        # returns None
        n.load_state_dict(s)

        # brings the values back
        n.p[0] = 9.0; n.b += 1; n.load_state_dict(s); [n.p, n.b]

        # into another module
        m = Net(); m.load_state_dict(s); all((m.state_dict()[k] == s[k]).all() for k in s)

        # keeps the objects
        p = n.p; n.load_state_dict(s); p is n.p

        # keeps the classes
        n.load_state_dict(s); [type(n.p).__name__, type(n.b).__name__]

        # leaves the dict
        n.load_state_dict(s); len(s)

        # a plain dict
        n.load_state_dict(dict(s))

        # missing
        del s['p']; n.load_state_dict(s)

        # missing, the message
        del s['p']
        try:
            n.load_state_dict(s)
        except KeyError as error:
            text = str(error)
        "'p'" in text

        # missing, not strict
        del s['p']; n.load_state_dict(s, strict=False); n.p

        # extra
        s['more'] = np.ones(1, 'float32'); n.load_state_dict(s)

        # extra, the message
        s['more'] = np.ones(1, 'float32')
        try:
            n.load_state_dict(s)
        except KeyError as error:
            text = str(error)
        "'more'" in text

        # extra, not strict
        s['more'] = np.ones(1, 'float32'); n.load_state_dict(s, strict=False)

        # another shape
        s['p'] = np.ones(3, 'float32'); n.load_state_dict(s)

        # another shape, not strict
        s['p'] = np.ones(3, 'float32'); n.load_state_dict(s, strict=False)

        # another shape, the message
        s['p'] = np.ones(3, 'float32')
        try:
            n.load_state_dict(s)
        except ValueError as error:
            text = str(error)
        [w in text for w in ('p', '(2,)', '(3,)')]

        # empty
        n.load_state_dict({})

        # empty, not strict
        n.load_state_dict({}, strict=False)

        # a list
        n.load_state_dict([])

        # a number in it
        s['p'] = 3; n.load_state_dict(s)

        # a closure
        n.load_state_dict(lambda k, t: t.numpy() * 0 if k == 'p' else t.numpy()); n.p

        # a closure sees
        seen = []; n.load_state_dict(lambda k, t: (seen.append([k, type(t).__name__, t.shape]), t.numpy())[1]); seen

        # a closure that gives None
        n.load_state_dict(lambda k, t: None if k == 'p' else t.numpy())

        # a closure that gives None, not strict
        n.load_state_dict(lambda k, t: None if k == 'p' else t.numpy() * 2, strict=False); [n.p, n.b]

        # a closure of another shape
        n.load_state_dict(lambda k, t: np.ones((9, 9), 'float32'))

        # a dict from dict comprehension
        n.load_state_dict({k: v * 2 for k, v in s.items()}); n.p

        # a shared parameter
        a, b = M.Linear(1, 1), M.Linear(1, 1); b.weight = a.weight; m = M.Sequential(a, b); t = m.state_dict(); m.load_state_dict(t); a.weight is b.weight
    """,
        differs(
            "s['p'] = np.array([7.0, 8.0]); n.load_state_dict(s); n.p",
            "cast to the parameter's dtype",
            gives="Parameter([7.0, 8.0])",
            name="float64 arrays",
        ),
        differs(
            "s['p'] = np.array([7, 8], 'int32'); n.load_state_dict(s); n.p",
            "cast to the parameter's dtype",
            gives="Parameter([7.0, 8.0])",
            name="ints",
        ),
        grads=False,
    ),
]
