"""Names that make up parties. Nobody in particular is meant."""

CHINESE_SURNAMES = [
    ("李", "Li"), ("王", "Wang"), ("张", "Zhang"), ("刘", "Liu"), ("陈", "Chen"), ("杨", "Yang"), ("赵", "Zhao"),
    ("黄", "Huang"), ("周", "Zhou"), ("吴", "Wu"), ("徐", "Xu"), ("孙", "Sun"), ("胡", "Hu"), ("朱", "Zhu"),
    ("高", "Gao"), ("林", "Lin"), ("何", "He"), ("郭", "Guo"), ("马", "Ma"), ("罗", "Luo"), ("梁", "Liang"),
    ("宋", "Song"), ("郑", "Zheng"), ("谢", "Xie"), ("欧阳", "Ouyang"),
]  # fmt: skip
CHINESE_GIVEN = [
    ("晓云", "Xiaoyun"), ("伟", "Wei"), ("芳", "Fang"), ("秀英", "Xiuying"), ("敏", "Min"), ("静", "Jing"),
    ("磊", "Lei"), ("洋", "Yang"), ("艳", "Yan"), ("勇", "Yong"), ("娟", "Juan"), ("涛", "Tao"), ("明", "Ming"),
    ("建国", "Jianguo"), ("丽华", "Lihua"), ("子涵", "Zihan"), ("雨桐", "Yutong"), ("浩然", "Haoran"),
    ("欣怡", "Xinyi"), ("俊杰", "Junjie"), ("思远", "Siyuan"), ("梓萱", "Zixuan"), ("春梅", "Chunmei"),
    ("国栋", "Guodong"), ("海燕", "Haiyan"), ("小龙", "Xiaolong"), ("佳宁", "Jianing"), ("文博", "Wenbo"),
]  # fmt: skip
ENGLISH_SURNAMES = [
    "Carter", "Okafor", "Nguyen", "Hughes", "Kowalski", "Bennett", "Fraser", "Martin", "Silva", "Patel", "Lindqvist",
    "O'Neill", "Weber", "Rossi", "Walsh", "Dubois", "Tanaka", "Ibrahim", "Morgan", "Hall",
]  # fmt: skip
ENGLISH_GIVEN = [
    "Alice", "Ben", "Clara", "Daniel", "Emma", "Felix", "Grace", "Henry", "Ines", "James", "Kate", "Liam", "Maya",
    "Noah", "Olivia", "Peter", "Ruth", "Sam", "Tom", "Zoe",
]  # fmt: skip
DOMAINS = ["example.com", "example.org", "example.net"]
ACCESS_NEEDS = {
    "zh-hans": ["有一位老人，需要借轮椅。", "孩子对花生过敏。", "推婴儿车，走坡道。", "听力不好，想站在讲解员旁边。"],
    "en": [
        "One of us uses a wheelchair.",
        "Our child is allergic to peanuts.",
        "My father hears badly; we would like to stand near the guide.",
    ],
}
