"""torch_scsa.py - SCSA in PyTorch, with the variants of its paper's Table 1.

As published where nothing is set, and as an eager user would write it.  The
settings are those of attnbench (attention_zoo/scsa_settings.c says what each
row of the table is); nothing else is shared with the C sources.
"""
import torch
from torch import nn
from torch.nn import functional as F

NAMES = ("local_dwc", "global_dwc_s", "global_dwc_m", "global_dwc_l")


class OverChannels(nn.LayerNorm):
    """LayerNorm of a strip (N,C,L), over the channels of each position."""

    def forward(self, strip):
        return super().forward(strip.transpose(1, 2)).transpose(1, 2)


def strip_norm(kind, channels, groups):
    """A norm of strips (N,C,L)."""
    if kind == "gn":
        return nn.GroupNorm(groups, channels)
    if kind == "bn":
        return nn.BatchNorm1d(channels)
    if kind == "ln":
        return OverChannels(channels)
    return nn.Identity()


class SMSA(nn.Module):
    """The spatial half."""

    def __init__(self, channels, group_kernel_sizes, shared, norm, norm_groups,
                 norm_position):
        super().__init__()
        self.groups = len(group_kernel_sizes)
        self.norm_first = norm_position == "before"
        self.suffixes = ("", "") if shared == "on" else ("_h", "_w")
        width = channels // self.groups
        for suffix in sorted(set(self.suffixes)):
            for name, k in zip(NAMES, group_kernel_sizes):
                setattr(self, name + suffix,
                        nn.Conv1d(width, width, k, padding=k // 2,
                                  groups=width))
        self.norm_h = strip_norm(norm, channels, norm_groups or self.groups)
        self.norm_w = strip_norm(norm, channels, norm_groups or self.groups)

    def gate(self, strip, norm, suffix):
        if self.norm_first:
            strip = norm(strip)
        parts = [getattr(self, name + suffix)(part)
                 for name, part in zip(NAMES, strip.chunk(self.groups, 1))]
        strip = torch.cat(parts, 1)
        if not self.norm_first:
            strip = norm(strip)
        return torch.sigmoid(strip)

    def forward(self, x):
        b, c, h, w = x.shape
        rows, columns = self.suffixes
        a_h = self.gate(x.mean(3), self.norm_h, rows).view(b, c, h, 1)
        a_w = self.gate(x.mean(2), self.norm_w, columns).view(b, c, 1, w)
        return x * a_h * a_w


class PCSA(nn.Module):
    """The channel half."""

    def __init__(self, channels, window_size, head_num, shuffle, scale):
        super().__init__()
        self.window, self.heads = window_size, head_num
        self.shuffle, self.scale = shuffle == "on", scale
        self.norm = nn.GroupNorm(1, channels)
        for name in "qkv":
            setattr(self, name, nn.Conv2d(channels, channels, 1, bias=False,
                                          groups=channels))

    def forward(self, x):
        b, c, h, w = x.shape
        if self.window == -1:
            y = F.adaptive_avg_pool2d(x, 1)
        else:
            y = F.avg_pool2d(x, self.window, self.window)
        y = self.norm(y)
        shape = (b, self.heads, c // self.heads, -1)
        q = self.q(y).reshape(shape)
        k = self.k(y).reshape(shape)
        v = self.v(y).reshape(shape)
        over = {"channels": c // self.heads, "input_map": h * w,
                "pooled_map": y.shape[2] * y.shape[3]}[self.scale]
        attn = (torch.matmul(q, k.transpose(-2, -1)) * over ** -0.5).softmax(-1)
        o = torch.matmul(attn, v)                   # (N,heads,C/heads,H'W')
        if self.shuffle:
            o = o.transpose(1, 2)
        o = o.reshape(b, c, *y.shape[2:])
        return x * torch.sigmoid(o.mean((2, 3), keepdim=True))


class SCSA(nn.Module):
    """Si et al., Neurocomputing 634, 2025, 129866."""

    def __init__(self, channels, smsa="on", pcsa="on", order="spatial_first",
                 group_kernel_sizes=(3, 5, 7, 9), shared="on", norm="gn",
                 norm_groups=0, norm_position="after", window_size=7,
                 head_num=1, shuffle="off", scale="channels"):
        super().__init__()
        self.halves = []
        if smsa == "on":
            self.add(SMSA(channels, group_kernel_sizes, shared, norm,
                          norm_groups, norm_position))
        if pcsa == "on":
            self.add(PCSA(channels, window_size, head_num, shuffle, scale))
        if order == "channel_first":
            self.halves.reverse()

    def add(self, half):
        """Its layers are SCSA's own, so that they have the published names."""
        self.halves.append(half.forward)
        for name, layer in half.named_children():
            self.add_module(name, layer)

    def forward(self, x):
        for half in self.halves:
            x = half(x)
        return x
