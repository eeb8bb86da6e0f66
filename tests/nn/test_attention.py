"""The FFT block: attention against its definition, queries of another series, residuals and gradients."""

import math

import torch
from nets import without_gradient

from harness.nn.attention import Attention, FeedForward, HalfStep


def test_attention_is_its_definition():
    torch.manual_seed(0)
    attention = Attention(8, 2).eval()
    q, k, v = torch.randn(3, 2, 5, 8)
    k, v = torch.cat([k, k]).view(2, 10, 8), torch.cat([v, v]).view(2, 10, 8)  # longer than the queries
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        queries, keys, values = (
            layer(attention.norm(x))[..., head]
            for layer, x in ((attention.queries, q), (attention.keys, k), (attention.values, v))
        )
        heads.append(torch.softmax(queries @ keys.mT / math.sqrt(4), dim=-1) @ values)
    expected = q + attention.output(torch.cat(heads, dim=-1))
    assert torch.allclose(attention(q, k, v), expected, atol=1e-6)


def test_attention_to_itself_is_attention_to_a_copy():
    torch.manual_seed(0)
    attention = Attention(8, 2).eval()
    x, k = torch.randn(2, 2, 7, 8)
    assert torch.equal(attention(x), attention(x, x.clone(), x.clone()))
    assert torch.equal(attention(x, k), attention(x, k, k.clone()))


def test_the_feed_forward_part_is_its_definition():
    torch.manual_seed(0)
    layer = FeedForward(8, 12, 3).eval()
    x = torch.randn(2, 7, 8)
    hidden = torch.relu(layer.widen(layer.norm(x).mT))
    assert torch.allclose(layer(x), x + layer.narrow(hidden).mT, atol=1e-6)
    assert torch.allclose(layer(x[1:]), layer(x)[1:], atol=1e-6)


def test_dropout_is_on_the_weights_and_the_output_in_training_alone():
    torch.manual_seed(0)
    x = torch.randn(1, 6, 8)
    for attention in (Attention(8, 2, dropout=0.5), Attention(8, 2, attention_dropout=0.5)):
        assert not torch.equal(attention(x), attention(x))
        attention.eval()
        assert torch.equal(attention(x), attention(x))


def test_a_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    attention = Attention(8, 2)
    lost = without_gradient(attention, *torch.randn(3, 2, 7, 8))
    assert lost in ([], ["keys.bias"])  # a shift of every key alike cancels in the softmax, but for rounding
    assert without_gradient(FeedForward(8, 12, 3), torch.randn(2, 7, 8)) == []


def test_the_half_step_is_its_definition_and_leaves_its_input_alone():
    torch.manual_seed(0)
    layer = HalfStep(8, 12).eval()
    x = torch.randn(2, 7, 8)
    before = x.clone()
    hidden = layer.widen(layer.norm(x))
    expected = x + 0.5 * layer.narrow(hidden * torch.sigmoid(hidden))
    assert torch.allclose(layer(x), expected, atol=1e-6)
    with torch.inference_mode():  # where SiLU works in place
        assert torch.allclose(layer(x), expected, atol=1e-6)
    assert torch.equal(x, before)
