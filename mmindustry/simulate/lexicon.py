"""The trade's words: what people write of faults, of daily work and of harmless things nearby.

Faults that look alike are told in the same words on purpose: `FAMILIES` are shared, and only
`HINTS` lean towards one fault of a family.
"""

from collections.abc import Mapping

from mmindustry.simulate.situation import Twin

Phrases = tuple[str, ...]

ABBREVIATIONS: Mapping[str, str] = {
    "adjust": "adj",
    "adjusted": "adj'd",
    "amps": "A",
    "bearing": "brg",
    "bolts": "blts",
    "change-out": "c/o",
    "check": "chk",
    "checked": "chkd",
    "coupling": "cplg",
    "discharge": "disch",
    "down": "dn",
    "drive-end": "DE",
    "filter": "fltr",
    "found": "fnd",
    "from": "fm",
    "greased": "grsd",
    "high": "hi",
    "housing": "hsg",
    "hydraulic": "hyd",
    "impeller": "imp",
    "inspect": "insp",
    "inspection": "insp",
    "leaking": "lkg",
    "left-hand": "l/h",
    "level": "lvl",
    "lubricate": "lube",
    "maintenance": "maint",
    "month": "mth",
    "motor": "mtr",
    "non-drive-end": "NDE",
    "operator": "optr",
    "pressure": "press",
    "pump": "pmp",
    "replace": "repl",
    "replaced": "repl'd",
    "required": "req'd",
    "right-hand": "r/h",
    "running": "rng",
    "steam": "stm",
    "suction": "suct",
    "temperature": "temp",
    "unserviceable": "u/s",
    "vibration": "vib",
    "week": "wk",
    "with": "w/",
}
"""Full word -> how it is written in a hurry."""

FAMILY_OF: Mapping[str, str] = {
    "bearing_outer": "bearing",
    "bearing_inner": "bearing",
    "imbalance": "vibration",
    "looseness": "vibration",
    "cavitation": "rattling",
    "seal_leak": "wet",
    "belt_slip": "burnt",
    "motor_overheating": "burnt",
}
"""Fault -> the words it is told in."""

FAMILIES: Mapping[str, Mapping[str, Phrases]] = {
    "bearing": {
        "en": (
            "grinding noise from drive-end bearing",
            "bearing noisy on drive-end",
            "rumbling from bearing housing",
            "bearing housing running warm",
            "whining near bearing at speed",
            "smoke and noise from drive-end bearing",
        ),
        "zh": (
            "驱动端轴承异响",
            "轴承座发热有噪音",
            "轴承处有摩擦声",
            "轴承声音大",
            "轴承冒烟异响",
        ),
    },
    "vibration": {
        "en": (
            "vibration high at pump",
            "pump shaking on base",
            "vibration up since last week",
            "whole unit shaking at speed",
            "operator reports vibration",
        ),
        "zh": ("泵振动大", "机组抖动明显", "振动值升高", "运行时晃动", "操作工反映振动"),
    },
    "rattling": {
        "en": (
            "pump rattling like gravel",
            "flow low and noisy",
            "crackling hiss around pump",
            "rattling on suction side",
            "pump noisy pressure hunting",
        ),
        "zh": ("泵内有沙石声", "流量低噪音大", "入口侧有爆裂声", "压力波动有杂音"),
    },
    "wet": {
        "en": (
            "water on floor by pump",
            "floor wet under pump",
            "puddle at pump base",
            "wet around shaft seal",
            "liquid on floor again",
        ),
        "zh": ("泵下地面有水", "地面潮湿", "泵座旁有积水", "轴封处有水迹"),
    },
    "burnt": {
        "en": (
            "burnt smell at drive",
            "smell of burning rubber or varnish",
            "smoke seen at drive side",
            "hot smell from guard",
            "drive side smoking slightly",
        ),
        "zh": ("传动侧有焦糊味", "闻到烧焦味", "驱动侧冒烟", "护罩处有热味"),
    },
}
"""Family -> language -> what is written when something is noticed."""

HINTS: Mapping[str, Mapping[str, Phrases]] = {
    "bearing_outer": {"en": ("outer race damage suspected",), "zh": ("疑似外圈损伤",)},
    "bearing_inner": {"en": ("inner race damage suspected",), "zh": ("疑似内圈损伤",)},
    "imbalance": {
        "en": ("shaking since impeller change-out", "deposit on impeller again"),
        "zh": ("换叶轮后振动", "叶轮结垢"),
    },
    "looseness": {
        "en": ("base bolts moving", "grout cracked under base"),
        "zh": ("地脚螺栓松动", "底座灌浆开裂"),
    },
    "cavitation": {"en": ("suction pressure low",), "zh": ("入口压力低",)},
    "seal_leak": {
        "en": ("seal leaking worse than yesterday", "puddle growing since morning"),
        "zh": ("机封泄漏加重", "积水越来越多"),
    },
    "belt_slip": {"en": ("belt dust under guard",), "zh": ("护罩下有皮带粉",)},
    "motor_overheating": {"en": ("motor hot amps high",), "zh": ("电机发烫电流高",)},
}
"""Fault -> what only somebody who looked closely writes."""

VAGUE: Mapping[str, Phrases] = {
    "en": ("noisy", "check pump", "not right keep an eye", "sounds different", "needs look"),
    "zh": ("有异响", "检查一下", "不太正常", "继续观察"),
}

CONTRADICTION: Mapping[str, Phrases] = {
    "en": ("checked all ok", "no fault found running fine"),
    "zh": ("检查正常", "未发现问题运行良好"),
}

ROUTINE: Mapping[str, Phrases] = {
    "en": (
        "lubricate round done",
        "greased drive-end bearing",
        "inspection ok no action",
        "three month maintenance done",
        "filter change-out done",
        "adjusted belt tension",
        "oil level ok topped up",
        "shaft seal replaced last week",
        "vibration route reading taken",
        "motor temperature checked ok",
        "coupling guard refitted",
        "cleaned around pump base",
        "impeller inspection no wear",
        "base bolts torque checked",
        "left-hand gauge glass replaced",
        "hydraulic hose replaced right-hand",
        "sample taken for lab",
        "shift handover nothing to report",
    ),
    "zh": (
        *("润滑巡检完成", "驱动端轴承加油", "点检正常", "季度保养完成", "更换滤芯", "调整皮带张紧"),
        *(
            "油位正常已补油",
            "上周更换机封",
            "振动巡检已测",
            "电机温度正常",
            "护罩已复位",
            "清洁泵座周围",
        ),
        *("叶轮检查无磨损", "地脚螺栓力矩复查", "交接班无异常"),
    ),
}

TWIN_WORDS: Mapping[Twin, Mapping[str, Phrases]] = {
    Twin.STEAM_VENT: {
        "en": ("steam trap blowing in bay", "steam vent open next to pump"),
        "zh": ("疏水阀排汽", "旁边蒸汽放空"),
    },
    Twin.WASH_DOWN: {
        "en": ("hosed down floor", "wash down done after shift"),
        "zh": ("冲洗地面", "下班后已冲地"),
    },
    Twin.WELDING: {"en": ("welders working next bay",), "zh": ("隔壁动火焊接",)},
    Twin.TRANSFORMER: {"en": ("hum from electrical room",), "zh": ("配电室嗡嗡声",)},
    Twin.KNOCKING: {"en": ("hammering on scaffold next line",), "zh": ("隔壁脚手架敲击",)},
    Twin.FORKLIFT: {"en": ("forklift traffic heavy brakes squeal",), "zh": ("叉车频繁刹车响",)},
    Twin.LAMP_TEST: {"en": ("lamp test done",), "zh": ("已做试灯",)},
}

TWIN_WRITTEN: Mapping[Twin, float] = {
    Twin.STEAM_VENT: 0.5,
    Twin.WASH_DOWN: 0.7,
    Twin.WELDING: 0.5,
    Twin.TRANSFORMER: 0.3,
    Twin.KNOCKING: 0.3,
    Twin.FORKLIFT: 0.2,
    Twin.LAMP_TEST: 0.5,
}
"""Look-alike -> how often somebody writes it down."""

REHEARSAL: Mapping[str, Phrases] = {
    "en": ("permit open test run with seeded fault", "fault drill running under permit"),
    "zh": ("许可证已开模拟故障试车", "按票进行故障演练"),
}
REHEARSAL_OVER: Mapping[str, Phrases] = {
    "en": ("permit closed test run finished", "fault drill over back to normal"),
    "zh": ("试车结束许可证关闭", "故障演练结束恢复正常"),
}
"""Said of a test run that is over; written now and then whatever the machine's state."""

SETTLED: Mapping[str, str] = {"en": "fixed", "zh": "已处理"}
