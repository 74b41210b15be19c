"""torch_backbones.py - MobileNetV2, ACNet, RepVGG and RepViT in PyTorch.

Written from the papers, as an eager user would write them; ResNet is in
torch_modules.py, Swin in torch_swin.py.  Names of weights are timm's, those of
ACNet's branches its authors'.  Every network has

    maps(x)     what its four stages put out
    logits(x)   from the last of them
    FOLDS       in its parts: (convolution, batch norm) pairs by name
    merge()     in its parts: leaves one convolution of several branches
"""
import torch
from torch import nn
from torch.nn import functional as F

import torch_modules
from peer_program import Refusal
from torch_modules import at_stage, make_module


class Net(nn.Module):
    def forward(self, x):
        return self.logits(self.maps(x)[-1])


def plug(module, channels, settings, here=True):
    """The module, or nothing, where none is wanted or it stands elsewhere."""
    attn = make_module(module, channels, settings) if here else None
    return nn.Identity() if attn is None else attn


def scale_shift(bn):
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    return scale, bn.bias - bn.running_mean * scale


def merged(conv, bn):
    """Weight and bias of a convolution and its batch norm; None: no norm."""
    w, b = conv.weight, 0 if conv.bias is None else conv.bias
    if bn is None:
        return w, b
    scale, shift = scale_shift(bn)
    return w * scale.view(-1, 1, 1, 1), b * scale + shift


def identity(like):
    """A 1x1 convolution that leaves its input as it is."""
    n = like.weight.shape[1]
    one = conv(like.in_channels, like.out_channels, groups=like.groups)
    eye = torch.eye(n, dtype=like.weight.dtype).repeat(like.groups, 1)
    one.weight = nn.Parameter(eye[..., None, None])
    return one


def one_conv(like, branches, after=None):
    """The sum of (convolution, norm) branches, with a norm after it, as one
    convolution of the shape of `like`."""
    kh, kw = like.kernel_size
    weight, bias = 0, 0
    for conv, bn in branches:
        w, b = merged(conv, bn)
        dh, dw = (kh - w.shape[2]) // 2, (kw - w.shape[3]) // 2
        weight = weight + F.pad(w, (dw, dw, dh, dh))
        bias = bias + b
    if after is not None:
        scale, shift = scale_shift(after)
        weight, bias = weight * scale.view(-1, 1, 1, 1), bias * scale + shift
    out = nn.Conv2d(like.in_channels, like.out_channels, (kh, kw), like.stride,
                    like.padding, groups=like.groups)
    out.weight, out.bias = nn.Parameter(weight), nn.Parameter(bias)
    return out


def conv(inputs, outputs, k=1, stride=1, groups=1, bias=False):
    kh, kw = k if isinstance(k, tuple) else (k, k)
    return nn.Conv2d(inputs, outputs, (kh, kw), stride, (kh // 2, kw // 2),
                     groups=groups, bias=bias)


def fold_batch_norms(net):
    """Each batch norm into the convolution before it: graph=folded."""
    if isinstance(net, torch_modules.ResNet):
        return torch_modules.fold_batch_norms(net)
    net.eval()
    for part in list(net.modules()):
        for c, bn in getattr(part, "FOLDS", ()):
            if isinstance(getattr(part, bn), nn.BatchNorm2d):
                setattr(part, c, nn.utils.fusion.fuse_conv_bn_eval(
                    getattr(part, c), getattr(part, bn)))
                setattr(part, bn, nn.Identity())
    return net


# ---- MobileNetV2 -----------------------------------------------------------

class InvertedResidual(nn.Module):
    def __init__(self, inputs, hidden, outputs, stride, module, settings, mid):
        super().__init__()
        self.wide = hidden > inputs
        if self.wide:
            self.conv_pw = conv(inputs, hidden)
            self.bn1 = nn.BatchNorm2d(hidden)
            self.bn2, self.bn3 = nn.BatchNorm2d(hidden), nn.BatchNorm2d(outputs)
            self.conv_pwl = conv(hidden, outputs)
            self.FOLDS = (("conv_pw", "bn1"), ("conv_dw", "bn2"),
                          ("conv_pwl", "bn3"))
        else:
            self.bn1, self.bn2 = nn.BatchNorm2d(hidden), nn.BatchNorm2d(outputs)
            self.conv_pw = conv(hidden, outputs)
            self.FOLDS = (("conv_dw", "bn1"), ("conv_pw", "bn2"))
        self.conv_dw = conv(hidden, hidden, 3, stride, hidden)
        self.attn = plug(module, hidden if mid else outputs, settings)
        self.mid = mid
        self.shortcut = stride == 1 and inputs == outputs
        self.act = nn.ReLU6(inplace=True)

    def forward(self, x):
        y = x
        if self.wide:
            y = self.act(self.bn1(self.conv_pw(y)))
            y = self.act(self.bn2(self.conv_dw(y)))
            last, norm = self.conv_pwl, self.bn3
        else:
            y = self.act(self.bn1(self.conv_dw(y)))
            last, norm = self.conv_pw, self.bn2
        y = norm(last(self.attn(y) if self.mid else y))
        if not self.mid:
            y = self.attn(y)
        return x + y if self.shortcut else y


class MobileNetV2(Net):
    ROWS = ((1, 16, 1, 1, 0), (6, 24, 2, 2, 0), (6, 32, 3, 2, 1),
            (6, 64, 4, 2, 2), (6, 96, 3, 1, 2), (6, 160, 3, 2, 3),
            (6, 320, 1, 1, 3))
    FOLDS = (("conv_stem", "bn1"), ("conv_head", "bn2"))

    def __init__(self, module="none", settings=None, position="mid"):
        super().__init__()
        self.conv_stem, self.bn1 = conv(3, 32, 3, 2), nn.BatchNorm2d(32)
        self.blocks, c = nn.Sequential(), 32
        for r, (t, width, n, stride, stage) in enumerate(self.ROWS):
            row = nn.Sequential()
            for i in range(n):
                row.add_module(str(i), InvertedResidual(
                    c, t * c, width, stride if i == 0 else 1, module,
                    at_stage(module, settings, stage), position == "mid"))
                c = width
            self.blocks.add_module(str(r), row)
        self.conv_head, self.bn2 = conv(c, 1280), nn.BatchNorm2d(1280)
        self.classifier = nn.Linear(1280, 1000)
        self.act = nn.ReLU6(inplace=True)

    def maps(self, x):
        x = self.act(self.bn1(self.conv_stem(x)))
        maps = {}
        for row, (*_, stage) in zip(self.blocks, self.ROWS):
            maps[stage] = x = row(x)
        return [maps[i] for i in range(4)]

    def logits(self, x):
        x = self.act(self.bn2(self.conv_head(x)))
        return self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))


# ---- RepVGG ----------------------------------------------------------------

class ConvBn(nn.Module):
    FOLDS = (("conv", "bn"),)

    def __init__(self, inputs, outputs, k, stride):
        super().__init__()
        self.conv = conv(inputs, outputs, k, stride)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.bn(self.conv(x))


class RepVggBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, module, settings, mid):
        super().__init__()
        self.conv_kxk = ConvBn(inputs, outputs, 3, stride)
        self.conv_1x1 = ConvBn(inputs, outputs, 1, stride)
        self.identity = None
        if inputs == outputs and stride == 1:
            self.identity = nn.BatchNorm2d(inputs)
        self.reparam_conv = None
        self.attn, self.mid = plug(module, outputs, settings), mid
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        if self.reparam_conv is not None:
            y = self.reparam_conv(x)
        else:
            y = self.conv_kxk(x) + self.conv_1x1(x)
            if self.identity is not None:
                y = y + self.identity(x)
        return self.act(self.attn(y)) if self.mid else self.attn(self.act(y))

    def merge(self):
        three = self.conv_kxk.conv
        branches = [(three, self.conv_kxk.bn),
                    (self.conv_1x1.conv, self.conv_1x1.bn)]
        if self.identity is not None:
            branches.append((identity(three), self.identity))
        self.reparam_conv = one_conv(three, branches)
        self.conv_kxk = self.conv_1x1 = self.identity = None


class RepVGG(Net):
    WIDTHS, DEPTHS = (48, 96, 192, 1280), (2, 4, 14, 1)

    def __init__(self, module="none", settings=None, position="mid"):
        super().__init__()
        mid, c = position == "mid", self.WIDTHS[0]
        self.stem = RepVggBlock(3, c, 2, module, at_stage(module, settings, 0),
                                mid)
        self.stages = nn.Sequential()
        for s, (width, n) in enumerate(zip(self.WIDTHS, self.DEPTHS)):
            own, row = at_stage(module, settings, s), []
            for i in range(n):
                row.append(RepVggBlock(c, width, 2 if i == 0 else 1, module,
                                       own, mid))
                c = width
            self.stages.add_module(str(s), nn.Sequential(*row))
        self.head = nn.Module()
        self.head.fc = nn.Linear(c, 1000)

    def maps(self, x):
        x, maps = self.stem(x), []
        for row in self.stages:
            x = row(x)
            maps.append(x)
        return maps

    def logits(self, x):
        return self.head.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


# ---- ACNet: ResNet-18 with each 3x3 in three branches ----------------------

class Asymmetric(nn.Module):
    FOLDS = (("square_conv", "square_bn"), ("ver_conv", "ver_bn"),
             ("hor_conv", "hor_bn"))

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        for name, k in (("square", 3), ("ver", (3, 1)), ("hor", (1, 3))):
            setattr(self, f"{name}_conv", conv(inputs, outputs, k, stride))
            setattr(self, f"{name}_bn", nn.BatchNorm2d(outputs))

    def forward(self, x):
        return (self.square_bn(self.square_conv(x))
                + self.ver_bn(self.ver_conv(x)) + self.hor_bn(self.hor_conv(x)))


class AcBlock(nn.Module):
    def __init__(self, inputs, width, stride, module, settings, mid):
        super().__init__()
        self.conv1 = Asymmetric(inputs, width, stride)
        self.conv2 = Asymmetric(width, width, 1)
        self.attn, self.mid = plug(module, width, settings), mid
        self.downsample = None
        if stride > 1 or inputs != width:
            self.downsample = nn.Sequential(conv(inputs, width, 1, stride),
                                            nn.BatchNorm2d(width))
            self.downsample.FOLDS = (("0", "1"),)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.relu(self.conv1(x))
        y = self.conv2(self.attn(y) if self.mid else y)
        if not self.mid:
            y = self.attn(y)
        if self.downsample is not None:
            x = self.downsample(x)
        return self.relu(y + x)

    def merge(self):
        for name in ("conv1", "conv2"):
            part = getattr(self, name)
            setattr(self, name, one_conv(
                part.square_conv, [(getattr(part, c), getattr(part, bn))
                                   for c, bn in part.FOLDS]))


class ACNet(Net):
    FOLDS = (("conv1", "bn1"),)

    def __init__(self, module="none", settings=None, position="auto"):
        super().__init__()
        mid = position == "mid" or (position == "auto" and
                                    torch_modules.stands_inside(module))
        self.conv1, self.bn1 = conv(3, 64, 7, 2), nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        c = 64
        for stage in range(4):
            own, width = at_stage(module, settings, stage), 64 << stage
            first = AcBlock(c, width, 2 if stage else 1, module, own, mid)
            second = AcBlock(width, width, 1, module, own, mid)
            setattr(self, f"layer{stage + 1}", nn.Sequential(first, second))
            c = width
        self.fc = nn.Linear(c, 1000)

    maps = torch_modules.ResNet.maps
    logits = torch_modules.ResNet.logits


# ---- RepViT ----------------------------------------------------------------

class ConvNorm(nn.Module):
    FOLDS = (("c", "bn"),)

    def __init__(self, inputs, outputs, k=1, stride=1, groups=1):
        super().__init__()
        self.c = conv(inputs, outputs, k, stride, groups)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.bn(self.c(x))


class TokenMixer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = ConvNorm(c, c, 3, 1, c)
        self.conv1 = conv(c, c, 1, 1, c, bias=True)
        self.bn = nn.BatchNorm2d(c)

    def forward(self, x):
        return self.bn(self.conv(x) + self.conv1(x) + x)

    def one(self):
        three = self.conv.c
        return one_conv(three, [(three, self.conv.bn), (self.conv1, None),
                                (identity(three), None)], self.bn)


class ChannelMixer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.conv2 = ConvNorm(c, 2 * c), ConvNorm(2 * c, c)
        self.act = nn.GELU()

    def forward(self, x):
        return x + self.conv2(self.act(self.conv1(x)))


class SqueezeExcite(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden = (c // 4 + 4) // 8 * 8
        self.fc1 = conv(c, hidden, bias=True)
        self.fc2 = conv(hidden, c, bias=True)

    def forward(self, x):
        s = self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(s)


class RepVitBlock(nn.Module):
    def __init__(self, c, se, module, settings, mid):
        super().__init__()
        self.token_mixer = TokenMixer(c)
        here = module != "none"
        self.se = SqueezeExcite(c) if se and not (here and mid) else \
            nn.Identity()
        self.attn = plug(module, c, settings, se or not mid)
        self.mid = mid
        self.channel_mixer = ChannelMixer(c)

    def forward(self, x):
        x = self.se(self.token_mixer(x))
        x = self.channel_mixer(self.attn(x) if self.mid else x)
        return x if self.mid else self.attn(x)

    def merge(self):
        self.token_mixer = self.token_mixer.one()


class RepVitDownsample(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.pre_block = RepVitBlock(inputs, False, "none", {}, True)
        self.spatial_downsample = ConvNorm(inputs, inputs, 3, 2, inputs)
        self.channel_downsample = ConvNorm(inputs, outputs)
        self.ffn = ChannelMixer(outputs)

    def forward(self, x):
        x = self.spatial_downsample(self.pre_block(x))
        return self.ffn(self.channel_downsample(x))


class RepVitHead(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.head = nn.Module()
        self.head.bn, self.head.l = nn.BatchNorm1d(c), nn.Linear(c, 1000)

    def forward(self, x):
        return self.head.l(self.head.bn(x))


class RepViT(Net):
    WIDTHS, DEPTHS = (56, 112, 224, 448), (2, 2, 14, 2)

    def __init__(self, module="none", settings=None, position="mid"):
        super().__init__()
        mid, c = position == "mid", self.WIDTHS[0]
        self.stem = nn.Module()
        self.stem.conv1 = ConvNorm(3, c // 2, 3, 2)
        self.stem.conv2 = ConvNorm(c // 2, c, 3, 2)
        self.stages = nn.Sequential()
        for s, (width, n) in enumerate(zip(self.WIDTHS, self.DEPTHS)):
            own, stage = at_stage(module, settings, s), nn.Sequential()
            if s:
                stage.add_module("downsample", RepVitDownsample(c, width))
            stage.add_module("blocks", nn.Sequential(*(
                RepVitBlock(width, i % 2 == 0, module, own, mid)
                for i in range(n))))
            self.stages.add_module(str(s), stage)
            c = width
        self.head = RepVitHead(c)
        self.act = nn.GELU()

    def maps(self, x):
        x = self.stem.conv2(self.act(self.stem.conv1(x)))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def logits(self, x):
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))

    def merge(self):
        """Every norm, that of the head too."""
        fold_batch_norms(self)
        scale, shift = scale_shift(self.head.head.bn)
        linear, self.head = self.head.head.l, nn.Linear(448, 1000)
        self.head.weight = nn.Parameter(linear.weight * scale)
        self.head.bias = nn.Parameter(linear.bias + linear.weight @ shift)


# ---- by name ---------------------------------------------------------------

from torch_swin import Swin             # which uses what is above

NETS = {"mobilenetv2_100": MobileNetV2, "acnet_r18": ACNet,
        "repvgg_a0": RepVGG, "repvit_m1_0": RepViT, "swin_t": Swin}


def make_backbone(name, module="none", settings=None, position="auto"):
    """The network in form=train, without values."""
    if name in torch_modules.BACKBONES:
        usual = "mid" if torch_modules.stands_inside(module) else "out"
        if module != "none" and position not in ("auto", usual):
            raise Refusal(f"{module} at position={position} of {name} is not "
                          "in these files")
        return torch_modules.make_backbone(name, module, settings)
    if name not in NETS:
        raise Refusal(f"backbone={name} is not in these files")
    if position == "auto" and name != "acnet_r18":
        position = "out" if name == "swin_t" else "mid"
    return NETS[name](module, settings, position)


def deploy(net):
    """The network with its branches merged: form=deploy."""
    parts = [p for p in net.modules() if hasattr(p, "merge")]
    parts.sort(key=lambda p: p is net)      # what is inside comes first
    if not parts:
        raise Refusal(f"{type(net).__name__} has no branches to merge")
    net.eval()
    with torch.no_grad():
        for part in parts:
            part.merge()
    return net
