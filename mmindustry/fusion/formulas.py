"""What each fusion computes, and where it comes from; plain facts, no torch.

h_m is the embedding of modality m times its presence and quality q_m, n the number present.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Formula:
    """A fusion's equation, its source, and its trainable numbers (3 modalities, width 64, 10
    classes, dropout apart)."""

    equation: str
    reference: str
    parameters: int


FORMULAS: Mapping[str, Formula] = MappingProxyType(
    {
        "late": Formula(
            "log p(c) = log pi_c + sum_m w_m q_m (log p_m(c) - log pi_c), w and T by pattern",
            "Kittler et al., TPAMI 1998; Menon et al., ICLR 2021",
            12_288,
        ),
        "concat": Formula("z = GELU(W [h_1; ..; h_M; q])", "Ngiam et al., ICML 2011", 33_994),
        "early": Formula(
            "z = last state of a GRU over 8 time bins of [mean items; mask]",
            "Snoek et al., ACM MM 2005",
            54_922,
        ),
        "sum": Formula(
            "z = sum_m q_m relu(W_m h_m) / sqrt(n)", "Baltrusaitis et al., TPAMI 2019", 17_290
        ),
        "weighted_sum": Formula(
            "z = sum_m a_m W_m h_m, a = softmax(b_m + u_m h_m + log q_m)",
            "Bahdanau et al., ICLR 2015",
            17_485,
        ),
        "conv": Formula(
            "z = two Conv1d of kernel 3 along the width of [h_1; ..; h_M; mean]",
            "Baltrusaitis et al., TPAMI 2019",
            4_939,
        ),
        "alignment": Formula(
            "z = [mean g_m; sum R_m h_m], g = norm(P h), loss InfoNCE(g_i, g_j)",
            "Radford et al., CLIP, ICML 2021",
            33_867,
        ),
        "self_attention": Formula(
            "z = Transformer([CLS; h_m + e_m])_CLS", "Vaswani et al., NeurIPS 2017", 72_266
        ),
        "cross_attention": Formula(
            "softmax(Q_i K_j' / sqrt(d) - b |t_i - t_j|) V_j over items, i != j",
            "Tsai et al., MulT, ACL 2019",
            137_424,
        ),
        "gru": Formula(
            "z_m = GRUCell(W_m h_m, z_(m-1)) if present", "Cho et al., EMNLP 2014", 42_314
        ),
        "gmu": Formula(
            "z = sum_m g_m * tanh(W_m h_m), g = softmax_m(V_m [h; q])",
            "Arevalo et al., GMU, ICLR-W 2017",
            54_922,
        ),
        "gcn": Formula(
            "H' = GELU(D^-1/2 A D^-1/2 H W), twice, masked mean",
            "Kipf & Welling, ICLR 2017",
            18_700,
        ),
        "mfb": Formula(
            "z_ij = l2(signed sqrt(SumPool_k(U h_i * V h_j)))", "Yu et al., MFB, ICCV 2017", 73_418
        ),
        "mfh": Formula(
            "e_1 = U_1 h_i * V_1 h_j, e_2 = U_2 h_i * V_2 h_j * e_1; each pooled as MFB",
            "Yu et al., MFH, TNNLS 2018",
            129_482,
        ),
        "lmf": Formula(
            "z = sum_r w_r prod_m W_m^r [1; h_m] + b, rank 8", "Liu et al., LMF, ACL 2018", 104_722
        ),
        "tfn": Formula(
            "z = [1; P_1 h_1] x [1; P_2 h_2] x [1; P_3 h_3], 8 features each",
            "Zadeh et al., TFN, EMNLP 2017",
            48_930,
        ),
        "bottleneck": Formula(
            "4 latents attend to the items of all, twice",
            "Jaegle et al., Perceiver, ICML 2021",
            72_458,
        ),
        "residual": Formula(
            "late + MLP(h_1 .. h_M), zero at first, encoders apart",
            "He et al., CVPR 2016, of the shortcut",
            25_482,
        ),
        "feature_concat": Formula(
            "W_2 relu(W_1 [f_1; ..; f_M]), f before projection",
            "classic: 2816 -> 1024 -> 10",
            13_002,
        ),
        "relu_sum": Formula(
            "W sum_m relu(W_m f_m)", "classic MMNN: Ngiam et al., ICML 2011", 13_130
        ),
    }
)
"""Name of the fusion -> its formula; the last two are the presets' own."""
