"""Pictures for tests of scores."""

import torch


def a_picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Smooth colours with edges and some grain. [H, W, 3]"""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    picture = torch.stack([x, y, ((6 * x).floor() + (5 * y).floor()) % 2], -1) * 0.6 + 0.2
    return (picture + 0.05 * noise(height, width, seed)).clamp(0, 1)


def noise(height: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(height, width, 3, generator=torch.Generator().manual_seed(seed))


def noisy(picture: torch.Tensor, sigma: float, seed: int = 1) -> torch.Tensor:
    return (picture + sigma * noise(*picture.shape[:2], seed)).clamp(0, 1)


def a_hole(height: int, width: int) -> torch.Tensor:
    hole = torch.zeros(height, width, dtype=torch.bool)
    hole[height // 3 : 2 * height // 3, width // 4 : width // 2] = True
    return hole
