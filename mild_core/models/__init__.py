from .mini import WEIGHTS, MiniConfig, load_weights

__all__ = ["WEIGHTS", "MiniConfig", "load_weights"]
