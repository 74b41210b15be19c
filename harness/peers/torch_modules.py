"""torch_modules.py - the modules of attnbench, and ResNet, in PyTorch.

Written from the papers and from the authors' published code, apart from the C
sources: the peer that times them (torch_peer.py) and the script that makes
case files (tests/make_cases.py) both need an implementation that shares
nothing with ours.  Every module is written as an eager user would write it.

Names of weights are the published code's; those of ResNet are timm's.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

from peer_program import Refusal
from torch_scsa import SCSA


def global_avg(x):
    return x.mean((2, 3), keepdim=True)


def global_max(x):
    return F.adaptive_max_pool2d(x, 1)


# ---- channel attention -----------------------------------------------------

class SE(nn.Module):
    """Hu et al., CVPR 2018: linear layers without bias."""
    on_output = True

    def __init__(self, channels, reduction=16):
        super().__init__()
        hidden = channels // reduction
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(inplace=True),
            nn.Linear(hidden, channels, bias=False), nn.Sigmoid())

    def forward(self, x):
        n, c = x.shape[:2]
        y = self.fc(self.avg_pool(x).view(n, c)).view(n, c, 1, 1)
        return x * y


class SEConv(nn.Module):
    """SE as in the SCSA repository: 1x1 convolutions, a norm between them."""
    on_output = True

    def __init__(self, channels, reduction=16):
        super().__init__()
        hidden = channels // reduction
        self.fc = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1, bias=False), nn.Sigmoid())

    def forward(self, x):
        return x * self.fc(global_avg(x))


class ECA(nn.Module):
    """Wang et al., CVPR 2020: one small convolution along the channels."""
    on_output = True

    def __init__(self, channels, kernel_size=0):
        super().__init__()
        k = kernel_size or (3 if channels >= 96 else 1)
        self.conv = nn.Conv1d(1, 1, k, padding=(k - 1) // 2, bias=False)

    def forward(self, x):
        y = global_avg(x).squeeze(-1).transpose(1, 2)       # (N,1,C)
        y = torch.sigmoid(self.conv(y)).transpose(1, 2).unsqueeze(-1)
        return x * y


class FCA(nn.Module):
    """Qin et al., ICCV 2021: a DCT frequency for each 1/16 of the channels."""
    on_output = True
    TOP16_U = (0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2)
    TOP16_V = (0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2)

    def __init__(self, channels, reduction=16, dct_h=56, dct_w=56):
        super().__init__()
        hidden = channels // reduction
        self.size = (dct_h, dct_w)
        self.register_buffer("dct", self.basis(channels, dct_h, dct_w),
                             persistent=False)
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(inplace=True),
            nn.Linear(hidden, channels, bias=False), nn.Sigmoid())

    @staticmethod
    def at_stage(stage):
        """FcaNet's sizes at 224."""
        return {"dct_h": 56 >> stage, "dct_w": 56 >> stage}

    @classmethod
    def basis(cls, channels, h, w):
        def wave(freq, length):
            p = torch.arange(length, dtype=torch.float64)
            y = torch.cos(math.pi * freq * (p + 0.5) / length)
            return y / math.sqrt(length) * (math.sqrt(2) if freq else 1)

        planes = [torch.outer(wave(u * (h // 7), h), wave(v * (w // 7), w))
                  for u, v in zip(cls.TOP16_U, cls.TOP16_V)]
        return torch.stack(planes).repeat_interleave(channels // 16, 0).to(
            torch.get_default_dtype())

    def forward(self, x):
        n, c = x.shape[:2]
        y = x
        if x.shape[2:] != self.size:
            y = F.adaptive_avg_pool2d(x, self.size)
        y = (y * self.dct).sum((2, 3))
        return x * self.fc(y).view(n, c, 1, 1)


class AFGCA(nn.Module):
    """Adaptive fine-grained channel attention; the C x C outer products are
    made, as the authors' code does."""

    def __init__(self, channels, gamma=2, b=1):
        super().__init__()
        t = int(abs((math.log2(channels) + b) / gamma))
        k = t if t % 2 else t + 1
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv1 = nn.Conv1d(1, 1, k, padding=k // 2, bias=False)
        self.fc = nn.Conv2d(channels, channels, 1)
        self.mix = nn.Module()
        self.mix.w = nn.Parameter(torch.full((1,), -0.8))

    def forward(self, x):
        p = self.avg_pool(x)
        u = self.conv1(p.squeeze(-1).transpose(1, 2)).transpose(1, 2)
        v = self.fc(p).squeeze(-1).transpose(1, 2)          # (N,1,C)
        o1 = torch.sigmoid(torch.matmul(u, v).sum(1)[..., None, None])
        o2 = torch.matmul(v.transpose(1, 2), u.transpose(1, 2))
        o2 = torch.sigmoid(o2.sum(1)[..., None, None])
        m = torch.sigmoid(self.mix.w)
        o = o1 * m + o2 * (1 - m)
        o = self.conv1(o.squeeze(-1).transpose(1, 2)).transpose(1, 2)
        return x * torch.sigmoid(o.unsqueeze(-1))


# ---- spatial and hybrid attention ------------------------------------------

class CBAM(nn.Module):
    """Woo et al., ECCV 2018, as in the SCSA repository."""
    on_output = True

    def __init__(self, channels, reduction=16, kernel_size=7):
        super().__init__()
        hidden = max(8, channels // reduction)
        self.mlp_chans = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False), nn.ReLU(),
            nn.Conv2d(hidden, channels, 1, bias=False))
        self.mlp_spaces = nn.Conv2d(2, 1, kernel_size, padding=3, bias=False)

    def forward(self, x):
        gate = self.mlp_chans(global_avg(x)) + self.mlp_chans(global_max(x))
        x = x * torch.sigmoid(gate)
        maps = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]],
                         1)
        return x * torch.sigmoid(self.mlp_spaces(maps))


class CA(nn.Module):
    """Hou et al., CVPR 2021: coordinate attention."""

    def __init__(self, channels, reduction=32):
        super().__init__()
        hidden = max(8, channels // reduction)
        self.conv = nn.Module()
        self.conv.conv = nn.Conv2d(channels, hidden, 1, bias=False)
        self.conv.bn = nn.BatchNorm2d(hidden)
        self.act = nn.Hardswish(inplace=True)
        self.attn_h = nn.Conv2d(hidden, channels, 1)
        self.attn_w = nn.Conv2d(hidden, channels, 1)

    def forward(self, x):
        h, w = x.shape[2:]
        y = torch.cat([x.mean(3, keepdim=True),
                       x.mean(2, keepdim=True).transpose(2, 3)], 2)
        y = self.act(self.conv.bn(self.conv.conv(y)))
        y_h, y_w = y.split([h, w], 2)
        a_h = torch.sigmoid(self.attn_h(y_h))
        a_w = torch.sigmoid(self.attn_w(y_w.transpose(2, 3)))
        return x * a_w * a_h


class ELA(nn.Module):
    """Xu and Wan, 2024: efficient local attention, setting ELA-B."""

    def __init__(self, channels, kernel_size=7, groups=16):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, kernel_size,
                              padding=kernel_size // 2, groups=channels,
                              bias=False)
        self.gn = nn.GroupNorm(groups, channels)

    def forward(self, x):
        n, c, h, w = x.shape
        a_h = torch.sigmoid(self.gn(self.conv(x.mean(3)))).view(n, c, h, 1)
        a_w = torch.sigmoid(self.gn(self.conv(x.mean(2)))).view(n, c, 1, w)
        return x * a_h * a_w


class EMA(nn.Module):
    """Ouyang et al., ICASSP 2023: groups folded into the batch."""

    def __init__(self, channels, factor=32):
        super().__init__()
        n = channels // factor
        self.groups = factor
        self.gn = nn.GroupNorm(n, n)
        self.conv1x1 = nn.Conv2d(n, n, 1)
        self.conv3x3 = nn.Conv2d(n, n, 3, padding=1)

    def forward(self, x):
        b, c, h, w = x.shape
        z = x.reshape(b * self.groups, -1, h, w)
        p = torch.cat([z.mean(3, keepdim=True),
                       z.mean(2, keepdim=True).transpose(2, 3)], 2)
        p_h, p_w = self.conv1x1(p).split([h, w], 2)
        z1 = self.gn(z * p_h.sigmoid() * p_w.transpose(2, 3).sigmoid())
        z2 = self.conv3x3(z)
        w1 = F.adaptive_avg_pool2d(z1, 1).flatten(1).softmax(-1).unsqueeze(1)
        w2 = F.adaptive_avg_pool2d(z2, 1).flatten(1).softmax(-1).unsqueeze(1)
        m = torch.matmul(w1, z2.flatten(2)) + torch.matmul(w2, z1.flatten(2))
        m = m.view(b * self.groups, 1, h, w)
        return (z * m.sigmoid()).reshape(b, c, h, w)


class SA(nn.Module):
    """Zhang and Yang, ICASSP 2021: shuffle attention."""
    on_output = True

    def __init__(self, channels, group_num=64):
        super().__init__()
        n = channels // (2 * group_num)
        self.groups = group_num
        self.c_w = nn.Parameter(torch.zeros(1, n, 1, 1))
        self.c_b = nn.Parameter(torch.ones(1, n, 1, 1))
        self.s_w = nn.Parameter(torch.zeros(1, n, 1, 1))
        self.s_b = nn.Parameter(torch.ones(1, n, 1, 1))
        self.gn = nn.GroupNorm(n, n)

    def forward(self, x):
        b, c, h, w = x.shape
        x0, x1 = x.reshape(b * self.groups, -1, h, w).chunk(2, 1)
        x0 = x0 * torch.sigmoid(self.c_w * global_avg(x0) + self.c_b)
        x1 = x1 * torch.sigmoid(self.s_w * self.gn(x1) + self.s_b)
        y = torch.cat([x0, x1], 1).reshape(b, 2, -1, h, w)
        return y.transpose(1, 2).reshape(b, c, h, w)        # shuffle


class CPCA(nn.Module):
    """Huang et al., Comput. Biol. Med. 2024: channel prior."""

    def __init__(self, channels, reduction=16):
        super().__init__()

        def strip(kh, kw):
            return nn.Conv2d(channels, channels, (kh, kw), groups=channels,
                             padding=(kh // 2, kw // 2))

        self.ca = nn.Module()
        self.ca.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.ca.fc2 = nn.Conv2d(channels // reduction, channels, 1)
        self.dwc5_5 = strip(5, 5)
        for k in (7, 11, 21):
            setattr(self, f"dwc1_{k}", strip(1, k))
            setattr(self, f"dwc{k}_1", strip(k, 1))
        self.conv = nn.Conv2d(channels, channels, 1)
        self.act = nn.GELU()

    def gate(self, pooled):
        return torch.sigmoid(self.ca.fc2(F.relu(self.ca.fc1(pooled))))

    def forward(self, x):
        u = self.act(self.conv(x))
        u = (self.gate(global_avg(u)) + self.gate(global_max(u))) * u
        i = self.dwc5_5(u)
        s = (i + self.dwc7_1(self.dwc1_7(i)) + self.dwc11_1(self.dwc1_11(i))
             + self.dwc21_1(self.dwc1_21(i)))
        return self.conv(u * self.conv(s))


MODULES = {
    "se": SE, "se_conv": SEConv, "eca": ECA, "fca": FCA, "cpca": CPCA,
    "afgca": AFGCA, "cbam": CBAM, "sa": SA, "ela": ELA, "ca": CA, "ema": EMA,
    "scsa": SCSA,
}


def stands_inside(name):
    """Whether a module acts on the middle channels of a block (after its last
    but one convolution, norm and ReLU), as most do; those with on_output act on
    its output, before the shortcut."""
    return not getattr(MODULES.get(name), "on_output", False)


def at_stage(name, settings, stage):
    """The settings, over those that the module has at this stage."""
    own = getattr(MODULES.get(name), "at_stage", lambda stage: {})
    return {**own(stage), **(settings or {})}


def make_module(name, channels, settings=None):
    """The module called name, or None for "none"."""
    if name == "none":
        return None
    if name not in MODULES:
        raise Refusal(f"module={name} is not in these files")
    module = MODULES[name](channels, **(settings or {}))
    module.is_attached = True               # for seed_values
    return module


# ---- ResNet, pytorch style (stride in the 3x3) -----------------------------

class Block(nn.Module):
    """A basic or a bottleneck block; attn is the module, or nothing."""

    def __init__(self, inputs, width, stride, bottleneck, module, settings):
        super().__init__()
        outputs = width * (4 if bottleneck else 1)
        if bottleneck:
            kernels = ((inputs, width, 1, 1), (width, width, 3, stride),
                       (width, outputs, 1, 1))
        else:
            kernels = ((inputs, width, 3, stride), (width, outputs, 3, 1))
        self.convs = len(kernels)
        for i, (c_in, c_out, k, s) in enumerate(kernels, 1):
            setattr(self, f"conv{i}", nn.Conv2d(c_in, c_out, k, s, k // 2,
                                                bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(c_out))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs))
        on_middle = stands_inside(module)
        attn = make_module(module, width if on_middle else outputs, settings)
        self.attn = attn if attn is not None else nn.Identity()
        self.attn_after = 0
        if attn is not None:
            self.attn_after = self.convs - 1 if on_middle else self.convs

    def forward(self, x):
        y = x
        for i in range(1, self.convs + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.convs:
                y = self.relu(y)
            if i == self.attn_after:
                y = self.attn(y)
        if self.downsample is not None:
            x = self.downsample(x)
        return self.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, layers, bottleneck, module="none", settings=None):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for stage, blocks in enumerate(layers):
            width = 64 << stage
            own = at_stage(module, settings, stage)
            row = []
            for i in range(blocks):
                stride = 2 if stage > 0 and i == 0 else 1
                row.append(Block(inputs, width, stride, bottleneck, module,
                                 own))
                inputs = width * (4 if bottleneck else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*row))
        self.fc = nn.Linear(inputs, 1000)

    def maps(self, x):
        """The output of each of the four stages."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = []
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
            maps.append(x)
        return maps

    def forward(self, x):
        return self.logits(self.maps(x)[-1])

    def logits(self, x):
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


BACKBONES = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
}


def make_backbone(name, module="none", settings=None):
    layers, bottleneck = BACKBONES[name]
    return ResNet(layers, bottleneck, module, settings)


def fold_batch_norms(net):
    """Each batch norm of a backbone's blocks and stem into the convolution
    before it: what attnbench calls graph=folded.  Modules keep theirs."""
    def fold(owner, conv, bn):
        fused = nn.utils.fusion.fuse_conv_bn_eval(
            getattr(owner, conv), getattr(owner, bn))
        setattr(owner, conv, fused)
        setattr(owner, bn, nn.Identity())

    net.eval()
    fold(net, "conv1", "bn1")
    for block in net.modules():
        if isinstance(block, Block):
            for i in range(1, block.convs + 1):
                fold(block, f"conv{i}", f"bn{i}")
            if block.downsample is not None:
                fold(block.downsample, "0", "1")
    return net


# ---- seeded values (harness/network/seed.c has the rule in C) --------------

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def fnv1a64(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK
    return h


def seeded(name, shape, seed, lo, hi):
    """float32 values that depend on name, seed and index alone."""
    import numpy as np
    n = int(np.prod(shape)) if len(shape) else 1
    key = fnv1a64(name) ^ (seed * GOLDEN & MASK)
    with np.errstate(over="ignore"):
        z = np.uint64(key) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) \
            * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float64) * 2.0 ** -24
    return (lo + (hi - lo) * u).astype(np.float32).reshape(shape)


def seeded_input(shape, seed, name="input"):
    return seeded(name, shape, seed, -math.sqrt(3), math.sqrt(3))


def seeded_structured(shape, seed, name="input"):
    """A map whose channels, rows and columns differ, so that gates do."""
    import numpy as np
    b, c, h, w = shape
    parts = (seeded_input(shape, seed, name),
             seeded_input((b, c, 1, 1), seed, name + ".chan"),
             seeded_input((b, c, h, 1), seed, name + ".row"),
             seeded_input((b, c, 1, w), seed, name + ".col"))
    x, chan, row, col = (p.astype(np.float64) for p in parts)
    return (x + chan + 0.5 * row + 0.5 * col).astype(np.float32)


def seed_range(name, owner, shape, norm_gain=1):
    """The range of one parameter or running statistic, by its kind."""
    last = name.split(".")[-1]
    norms = (nn.BatchNorm2d, nn.BatchNorm1d, nn.GroupNorm, nn.LayerNorm)
    if last == "weight" and isinstance(owner, norms):
        return 0.75 * norm_gain, 1.25 * norm_gain
    if last == "running_var":
        return 0.75, 1.25
    if last.endswith("_b") or last in ("bias", "running_mean",
                                       "relative_position_bias_table"):
        return -0.1, 0.1
    if last == "weight":
        a = math.sqrt(3 / math.prod(shape[1:]))
        return -a, a
    return -1, 1


def seed_values(net, seed, prefix="", norm_gain=1):
    """Gives every parameter and running statistic its seeded value; norm_gain
    is of the network's own norms, not of those in attached modules."""
    owners = dict(net.named_modules())
    attached = [name for name, m in owners.items()
                if getattr(m, "is_attached", False)]
    tensors = list(net.named_parameters()) + [
        (k, b) for k, b in net.named_buffers() if "running_" in k]
    with torch.no_grad():
        for name, t in tensors:
            owner = owners[name.rpartition(".")[0]]
            own = not any(not a or name.startswith(a + ".") for a in attached)
            lo, hi = seed_range(name, owner, t.shape, norm_gain if own else 1)
            t.copy_(torch.from_numpy(
                seeded(prefix + name, tuple(t.shape), seed, lo, hi)))
    return net
