"""torch_swin.py - Swin-T in PyTorch 1.13, as timm and the authors' code of that
day run it: tokens (N,L,C), windows cut and put back by copies, scores stored,
the bias looked up in every run and the mask kept.

Written from the paper; names of weights are timm's.
"""
import torch
from torch import nn

from torch_backbones import Net, at_stage, plug

WINDOW = 7


def windows(x, w):
    """(N,H,W,C) -> (N nW,w w,C)."""
    n, h, wide, c = x.shape
    x = x.view(n, h // w, w, wide // w, w, c).permute(0, 1, 3, 2, 4, 5)
    return x.contiguous().view(-1, w * w, c)


def unwindows(x, w, n, h, wide):
    """The way back."""
    x = x.view(n, h // w, wide // w, w, w, -1).permute(0, 1, 3, 2, 4, 5)
    return x.contiguous().view(n, h, wide, -1)


def offsets(w):
    """(w w,w w): the row of the bias table for each two positions."""
    at = torch.stack(torch.meshgrid(torch.arange(w), torch.arange(w),
                                    indexing="ij")).flatten(1)
    apart = at[:, :, None] - at[:, None, :] + w - 1
    return apart[0] * (2 * w - 1) + apart[1]


def masks(size, w, shift):
    """(nW,w w,w w): -100 where the shift alone made neighbours."""
    line = torch.arange(size)
    line = (line >= size - w).int() + (line >= size - shift).int()
    region = windows((3 * line[:, None] + line)[None, :, :, None], w)[..., 0]
    return (region[:, :, None] != region[:, None, :]) * -100.0


class Attention(nn.Module):
    def __init__(self, c, heads, w):
        super().__init__()
        self.heads, self.scale = heads, (c // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(
            torch.zeros((2 * w - 1) ** 2, heads))
        self.register_buffer("offsets", offsets(w), persistent=False)
        self.qkv, self.proj = nn.Linear(c, 3 * c), nn.Linear(c, c)

    def forward(self, x, mask):
        b, p, c = x.shape
        q, k, v = self.qkv(x).reshape(b, p, 3, self.heads, -1).permute(
            2, 0, 3, 1, 4)
        scores = (q * self.scale) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.offsets.view(-1)]
        bias = bias.view(p, p, -1).permute(2, 0, 1).contiguous()
        scores = scores + bias
        if mask is not None:
            scores = scores.view(-1, len(mask), self.heads, p, p)
            scores = (scores + mask[:, None]).view(b, self.heads, p, p)
        y = scores.softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(b, p, c))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1, self.act = nn.Linear(c, 4 * c), nn.GELU()
        self.fc2 = nn.Linear(4 * c, c)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, c, size, shifted, module, settings, mid):
        super().__init__()
        self.size, self.window = size, min(WINDOW, size)
        self.shift = WINDOW // 2 if shifted and size > WINDOW else 0
        self.register_buffer("mask", masks(size, self.window, self.shift)
                             if self.shift else None, persistent=False)
        self.norm1, self.norm2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.attn, self.mlp = Attention(c, c // 32, self.window), Mlp(c)
        self.mid = mid
        self.attn_plug = plug(module, c, settings)

    def plugged(self, x):
        if isinstance(self.attn_plug, nn.Identity):
            return x
        n, length, c = x.shape
        x = x.view(n, self.size, self.size, c).permute(0, 3, 1, 2)
        return self.attn_plug(x).permute(0, 2, 3, 1).reshape(n, length, c)

    def attend(self, x):
        n, length, c = x.shape
        x = x.view(n, self.size, self.size, c)
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = self.attn(windows(x, self.window), self.mask)
        x = unwindows(x, self.window, n, self.size, self.size)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), (1, 2))
        return x.view(n, length, c)

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        if self.mid:
            x = self.plugged(x)
        x = x + self.mlp(self.norm2(x))
        return x if self.mid else self.plugged(x)


class Merging(nn.Module):
    def __init__(self, c, size):
        super().__init__()
        self.size = size
        self.norm = nn.LayerNorm(4 * c)
        self.reduction = nn.Linear(4 * c, 2 * c, bias=False)

    def forward(self, x):
        n, _, c = x.shape
        x = x.view(n, self.size, self.size, c)
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2],
                       x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.reduction(self.norm(x.view(n, -1, 4 * c)))


class Swin(Net):
    """Of maps of 224 x 224, as their masks are made beforehand."""
    DEPTHS = (2, 2, 6, 2)

    def __init__(self, module="none", settings=None, position="out"):
        super().__init__()
        c, size = 96, 56
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, c, 4, 4)
        self.patch_embed.norm = nn.LayerNorm(c)
        self.layers = nn.ModuleList()
        for s, n in enumerate(self.DEPTHS):
            own, stage = at_stage(module, settings, s), nn.Sequential()
            if s:
                stage.add_module("downsample", Merging(c, size))
                c, size = 2 * c, size // 2
            stage.add_module("blocks", nn.Sequential(*(
                Block(c, size, i % 2 == 1, module, own, position == "mid")
                for i in range(n))))
            self.layers.append(stage)
        self.norm = nn.LayerNorm(c)
        self.head = nn.Module()
        self.head.fc = nn.Linear(c, 1000)

    def maps(self, x):
        x = self.patch_embed.proj(x).flatten(2).transpose(1, 2)
        x, maps = self.patch_embed.norm(x), []
        for stage in self.layers:
            x = stage(x)
            maps.append(x)
        return maps

    def logits(self, x):
        return self.head.fc(self.norm(x).mean(1))
