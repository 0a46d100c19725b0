"""Deep Q-learning with a replay memory and a target network."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mho
from mho.errors import WrongUse
from tests.helpers.script import RPU, STEPS, Script, check

PLACES, GAMMA = 6, 0.8


class DQN(nn.Module):
    """Two layers from a place to the value of each action (V. Mnih et al. 2015)."""

    def __init__(self, hidden=24):
        super().__init__()
        self.layer1, self.layer2 = nn.Linear(PLACES, hidden), nn.Linear(hidden, 2)

    def forward(self, x):
        return self.layer2(F.relu(self.layer1(x)))


def transitions(number: int, size: int = 64) -> tuple[torch.Tensor, ...]:
    """Return places, actions, rewards, next places and ends, drawn from a memory of a corridor.

    Actions go left (0) or right (1); the right end pays 1, the left end -1, and both end an episode.
    """
    generator = torch.Generator().manual_seed(number)
    place = torch.randint(1, PLACES - 1, (size,), generator=generator)
    action = torch.randint(0, 2, (size,), generator=generator)
    after = place + 2 * action - 1
    reward = (after == PLACES - 1).float() - (after == 0).float()
    return place, action, reward, after, reward != 0


def seen(place: torch.Tensor) -> torch.Tensor:
    """Return what the network sees of places: 1 where one is, else 0."""
    return F.one_hot(place, PLACES).float()


class Agent(Script):
    """The target follows every tenth step."""

    def __init__(self, seed):
        self.policy = mho.convert(DQN(), RPU, seed=seed, quiet=True)
        self.target = copy.deepcopy(self.policy).requires_grad_(False)
        self.optimizer = mho.AnalogSGD(self.policy, lr=0.3)

    def step(self, number):
        place, action, reward, after, end = transitions(number)
        value = self.policy(seen(place)).gather(1, action[:, None])[:, 0]
        with torch.no_grad():
            best = self.target(seen(after)).amax(1)
        loss = F.smooth_l1_loss(value, reward + GAMMA * best * ~end)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.follow(number)
        return loss.item()

    def follow(self, number):
        if number % 10 == 9:
            self.target.load_state_dict(self.policy.state_dict())

    def layers(self):
        """Return the layers that train: the target's only follow."""
        return [self.policy.layer1, self.policy.layer2]

    def score(self):
        """Return how far the values are from the true ones: right is GAMMA to the number of places to go."""
        place = torch.arange(1, PLACES - 1)
        right = GAMMA ** (PLACES - 2.0 - place)
        return (self.policy(seen(place))[:, 1] - right).abs().mean().item()


@pytest.mark.parametrize("steps", STEPS)
def test_an_agent_trains_with_a_target_that_follows_by_state_dicts(steps):
    script = check(Agent, steps)
    assert bool((script.target.layer1.weight != script.policy.layer1.weight).any())
    script.target.load_state_dict(script.policy.state_dict())
    assert torch.equal(script.target.layer1.weight, script.policy.layer1.weight)


def over_parameters(policy, target, tau):
    for own, other in zip(target.parameters(), policy.parameters(), strict=True):
        own.data.copy_(tau * other.data + (1 - tau) * own.data)


def by_state_dicts(policy, target, tau):
    states = target.state_dict(), policy.state_dict()
    for key in states[1]:
        states[0][key] = states[1][key] * tau + states[0][key] * (1 - tau)
    target.load_state_dict(states[0])


@pytest.mark.parametrize("update", [over_parameters, by_state_dicts])
def test_a_soft_update_is_refused_with_the_cure(update):
    policy, target = (mho.convert(DQN(), RPU, seed=seed, quiet=True) for seed in (0, 1))
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(WrongUse, match=r"layer\.write"):
        update(policy, target, 0.25)
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())


class SoftAgent(Agent):
    """The target follows every step by a twentieth, as the refusal of a soft update says."""

    TAU = 0.05

    def follow(self, number):
        layers = mho.nn.array_layers(self.policy)
        for name, own in mho.nn.array_layers(self.target).items():
            mean = [
                self.TAU * theirs + (1 - self.TAU) * ours
                for theirs, ours in ((layers[name].weight, own.weight), (layers[name].bias, own.bias))
            ]
            assert own.write(*mean) == 0  # a copy has the same devices, whose bounds hold both, and their mean
            assert torch.equal(own.weight, mean[0])
            assert torch.equal(own.bias, mean[1])


@pytest.mark.parametrize("steps", STEPS)
def test_an_agent_trains_with_a_target_that_follows_softly(steps):
    check(SoftAgent, steps)
