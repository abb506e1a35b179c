"""Loggers, and attributes of tensors that say nothing of their values."""

from oracle import group

CASES = [
    group(
        "loggers",
        "",
        """
        mge.get_logger('numod.a').propagate
        len(mge.get_logger('numod.b').handlers)
        mge.get_logger('numod.c') is mge.get_logger('numod.c')
        mge.get_logger('numod.d').name
        mge.set_log_level('NOPE')
        [mge.set_log_level('ERROR') and None, mge.set_log_level('INFO'), mge.set_log_level('ERROR')]
        [mge.set_log_level('WARNING') and None, mge.get_logger('numod.e').level, mge.set_log_level('ERROR'), mge.get_logger('numod.e').level]
    """,
        grads=False,
    ),
    group(
        "marks",
        "x = Tensor([1.0])",
        """
        x.format
        Tensor([1.0], format='default').format
        Tensor([1.0], format='other')
        x.requires_grad
        hasattr(x, 'requires_grad')
        setattr(x, 'requires_grad', True)
    """,
        grads=False,
    ),
]
