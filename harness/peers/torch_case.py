"""torch_case.py - the network of a case in PyTorch, and its input.

For every peer whose networks begin as PyTorch's: seeded as attnbench seeds
them, in the form and the graph of the case, in eval mode.
"""
import torch

import torch_backbones
import torch_modules

SEED = 1                # of weights and inputs: SEED in harness/measure/trial.c


def make_input(case):
    shape = [case[k] for k in ("batch", "channels", "height", "width")]
    return torch.from_numpy(torch_modules.seeded_structured(shape, SEED))


def make_network(case):
    """The network, and how many parameters it has before norms are folded."""
    name, settings = case["backbone"], dict(case["settings"])
    for side, key in (("dct_h", "height"), ("dct_w", "width")):
        if settings.get(side) == 0:         # the stage's, or the map's
            del settings[side]
            if name == "none":
                settings[side] = case[key]
    if name == "none":
        net = torch_modules.make_module(case["module"], case["channels"],
                                        settings)
    else:
        net = torch_backbones.make_backbone(name, case["module"], settings,
                                            case["position"])
    torch_modules.seed_values(net, SEED, norm_gain=case["norm_gain"] or 1)
    if case["form"] == "deploy":
        torch_backbones.deploy(net)
    params = sum(p.numel() for p in net.parameters())
    net.eval()
    if name != "none" and case["graph"] == "folded":
        torch_backbones.fold_batch_norms(net)
    return net, params
