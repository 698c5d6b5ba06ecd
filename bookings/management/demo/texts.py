"""The sentences of the example house, each in both languages. Written, not translated: change one, reread the other."""

from typing import NamedTuple

from i18nfield.strings import LazyI18nString

from bookings.models import Drawing


def both(en: str, zh: str) -> LazyI18nString:
    return LazyI18nString({"en": en, "zh-hans": zh})


class Stop(NamedTuple):
    title: LazyI18nString
    text: LazyI18nString
    minutes: int
    drawing: Drawing


HOUSE = {
    "name": both("Northgate Car Works", "北门汽车工厂"),
    "strapline": both("Factory visits", "工厂参观"),
    "address": both("Gate 3, 18 Foundry Road, Beijing", "北京市铸造路 18 号 3 号门"),
    "email": "visits@works.example",
    "phone": "+86 10 5550 0118",
}

VENUE = {
    "name": both("Northgate Car Works", "北门汽车工厂"),
    "address": both("18 Foundry Road, Beijing", "北京市铸造路 18 号"),
    "time_zone": "Asia/Shanghai",
    "time_zone_name": both("Beijing time", "北京时间"),
    "gate": both("Gate 3", "3 号门"),
    "getting_in": both(
        "Metro line 9 to Foundry Road, exit B, then eight minutes on foot. Drivers turn in at Gate 3; parking is free.",
        "乘地铁 9 号线到铸造路站，B 口出，步行八分钟。自驾请从 3 号门进，停车免费。",
    ),
    "arrive_before": 15,
}

TOUR = {
    "title": both("The whole car line", "一辆车的诞生"),
    "summary": both(
        "Walk the whole car line, from a roll of steel to the first drive. Two hours, with someone who works here.",
        "从一卷钢板到第一次上路，由在这里工作的人带您走完整条生产线，全程约两小时。",
    ),
    "story": both(
        "A yellow line on the floor leads you through six halls, 1.4 km in all. It starts where steel comes off the"
        " lorry and ends where a car turns its wheels for the first time.\n\n"
        "The line does not stop for visitors: what you see on your day is what is being built that day. Whoever walks"
        " with you works in one of these halls, so ask.",
        "地上一条黄线，带您穿过六个车间，全程 1.4 公里：从钢卷卸车的地方走起，到新车第一次转动车轮的地方为止。\n\n"
        "参观时生产不停，您那天看到的，就是当天正在造的车。带您走的人就在其中一个车间上班，有问题请随时问。",
    ),
    "minimum_age": 6,
    "adult_age": 18,
    "smallest_party": 1,
    "largest_party": 3,
    "price": both("Free", "免费"),
    "clothing": both(
        "Flat, closed shoes. We lend you a vest and glasses; sandals and heels stay outside.",
        "请穿平底包脚鞋。背心和护目镜由我们提供，凉鞋和高跟鞋不能进车间。",
    ),
    "photography": both(
        "No photos in the halls. There are two places for pictures: beside a bare body, and beside a finished car.",
        "车间内不能拍照。沿途有两处拍照点：一处在白车身旁，一处在新车旁。",
    ),
    "lockers": both(
        "Lockers at the gate. They take bags, umbrellas and phones, are free, and you keep the key.",
        "门口有储物柜。包、雨伞和手机都可以存放，免费，钥匙由您自己保管。",
    ),
    "identification": both(
        "ID for each person. The gate compares it with the roster; names stay fixed once the roster locks, two days"
        " before.",
        "每人都要带身份证件。门口会与名单核对；名单在参观前两天锁定，之后不能换人。",
    ),
    "accessibility": both(
        "Step-free all the way. 1.4 km with a seat at every stop; we have two wheelchairs to lend and a quiet room.",
        "全程无台阶。路线 1.4 公里，每一站都有座位；可借轮椅两辆，另有安静休息室。",
    ),
}

STOPS = [
    Stop(
        both("Press shop", "冲压"),
        both(
            "A roll of steel goes in and a door comes out, one every six seconds. You feel each stroke in the floor.",
            "一卷钢板送进去，每六秒压出一扇车门。每压一下，脚下的地面都会轻轻一震。",
        ),
        18,
        Drawing.PRESS,
    ),
    Stop(
        both("Body shop", "车身"),
        both(
            "Four hundred robots join three hundred parts into one body. From the glass bridge you look down on the"
            " sparks.",
            "四百台机器人把三百个零件焊成一个车身。站在玻璃桥上，火花就在您脚下。",
        ),
        22,
        Drawing.BODY,
    ),
    Stop(
        both("Paint shop", "涂装"),
        both(
            "Five coats, together thinner than a hair. Pick a colour at the window and follow it to the end.",
            "五层漆加起来，还没有一根头发厚。在窗边选一个颜色，看着它走到最后。",
        ),
        15,
        Drawing.PAINT,
    ),
    Stop(
        both("Battery hall", "电池"),
        both(
            "The pack rises from below and meets the car in forty seconds. Sixteen bolts later they are one.",
            "电池包从下方升起，四十秒就与车身合上。再拧紧十六颗螺栓，就成了一体。",
        ),
        20,
        Drawing.BATTERY,
    ),
    Stop(
        both("Final assembly", "总装"),
        both(
            "Seats, glass, wheels: here hands do what robots cannot. The people who fit them show you how.",
            "座椅、玻璃、车轮，这里靠的是人的双手。装车的师傅会告诉您怎么装。",
        ),
        25,
        Drawing.ASSEMBLY,
    ),
    Stop(
        both("First drive", "试车"),
        both(
            "Every car rolls its first two kilometres on this track. You ride along for one lap.",
            "每辆新车都在这条跑道上开出最初的两公里。您可以坐上车，跟着跑一圈。",
        ),
        20,
        Drawing.DRIVE,
    ),
]

CONSENTS = [
    both(
        "We keep to the yellow line and do what our guide says. We take no photos in the halls.",
        "我们会跟着黄线走，听从讲解员安排，不在车间内拍照。",
    ),
    both(
        "We agree that you keep our names, ages and email address for this visit and erase them 30 days after it.",
        "我们同意工厂为这次参观保存姓名、年龄和邮箱，并在参观结束 30 天后删除。",
    ),
]


def season_title(year: int) -> LazyI18nString:
    return both(f"Lunar New Year {year}", f"{year} 年新春开放月")


def festival_label(day: int) -> LazyI18nString:
    return both(f"New Year · day {day}", f"新春 · 初{'一二三四五六七八九十'[day - 1]}")


CALL_OFF_REASON = both(
    "The lift in the battery hall is being repaired that morning.",
    "当天上午电池车间的升降台检修。",
)

EVENING_TOUR = {
    "title": both("The line by night", "夜访生产线"),
    "summary": both(
        "Twelve people, one guide, the late shift. Ninety minutes from the gate to a pot of tea.",
        "每场十二人，一位讲解员，跟着晚班走一走。从门口到一壶热茶，共九十分钟。",
    ),
    "story": both(
        "In the evening the halls are half dark and the robots light themselves. The group is small, so there is time"
        " for every question, and the tea at the end is made by the shift that has just finished.",
        "到了晚上，车间只亮一半灯，机器人自己发光。人少，想问的都来得及问；最后那壶茶，由刚下班的师傅来泡。",
    ),
    "minimum_age": 6,
    "adult_age": 18,
    "smallest_party": 1,
    "largest_party": 3,
    "price": both("Free", "免费"),
    "clothing": TOUR["clothing"],
    "photography": TOUR["photography"],
    "lockers": TOUR["lockers"],
    "identification": both(
        "ID for each person. Names stay fixed once the roster locks, six hours before the start.",
        "每人都要带身份证件。名单在开始前六小时锁定，之后不能换人。",
    ),
    "accessibility": both(
        "Step-free all the way. 600 m with seats on the way; tell us if low light is hard for you.",
        "全程无台阶。路线 600 米，沿途有座位；如果您不习惯暗光，请提前告诉我们。",
    ),
}

EVENING_STOPS = [
    Stop(
        both("Gate", "门口"),
        both(
            "The late shift starts when the lamps over Gate 3 come on. You get a vest that glows.",
            "3 号门的灯亮起，晚班就开始了。您会领到一件反光背心。",
        ),
        10,
        Drawing.GATE,
    ),
    Stop(
        both("Tool workshop", "工装车间"),
        both(
            "Here the machines that make cars are made well again. Turn one screw yourself.",
            "造车的机器，在这里检修。您可以亲手拧上一颗螺丝。",
        ),
        30,
        Drawing.WORKSHOP,
    ),
    Stop(
        both("Final assembly", "总装"),
        both(
            "At night one car leaves the line every ninety seconds. Count three of them with those who build them.",
            "夜里每九十秒下线一辆车。跟装车的师傅一起，数上三辆。",
        ),
        30,
        Drawing.ASSEMBLY,
    ),
    Stop(
        both("Tea", "喝茶"),
        both(
            "The canteen is quiet now. Sit down and ask what you did not ask on the way.",
            "食堂这时候安静下来。请坐，路上没问完的，在这里接着问。",
        ),
        20,
        Drawing.TASTING,
    ),
]

EVENING_SEASON_TITLE = both("Evenings this month", "本月夜场")

# What the command says of itself: what is known from the public record, and what was made up to show the portal.
FACTS = [
    "A car factory in Beijing opened to the public in February 2025: 16 sessions, 960 visitors.",
    "Each session took 20 parties of up to 3 people: 60 places.",
    "Five sessions lay on days 5 to 7 of the Lunar New Year festival, the others on Monday and Saturday mornings.",
    "Visitors were 6 or older, brought one or two companions, showed ID at the gate, and could not swap names.",
]
EXAMPLES = [
    "The house, its address, telephone and email are made up (Northgate Car Works, works.example).",
    "So are the six stops and their minutes, the rules in words, the times of day and the languages of the guides.",
    "The dates are those of the next Lunar New Year, computed from the lunar calendar.",
]
RUSH_EXAMPLES = [
    "Every party, name and address is made up; the mail addresses lie in domains that reach nobody.",
    "What the parties did was played through the same functions that the pages call, with a fixed random seed.",
    "The evening tour is made up; its dates count from today.",
]
