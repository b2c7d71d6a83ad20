"""Words and signs around four numbers that make them an address, or a version, the number of a thing or a place in a text.

Owns the expressions only; ``ip_addresses`` decides in which order they count. Facts: browsers name themselves as
product/version (RFC 9110); the words of logs are those of OpenSSH, nginx, Apache, iptables, BIND and traceroute.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import touching

BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
QUAD = rf"(?:{BYTE}\.){{3}}{BYTE}"

# --- addresses ---
_ADDRESS = (
    "ip|ipv4|ipv6|servername|dhost|[lr]hosts?|[cs]-?ip|ip[ _-]?addr(?:ess)?|addr|address|host|hosts|hostname|server|client|peer|proxy|router|gateway|gw|dns|"
    "nameserver|ns[0-9]?|inet6?|tcp|udp|icmp|http|https|ssh|sftp|scp|ftp|rdp|vpn|ping|telnet|traceroute|whois|nslookup|"
    "dig|curl|nmap|nc|from|to|src|dst|source|destination|remote|remote_addr|origin|via|bind|listen|user|login|port|"
    "outside|inside|wan|x-forwarded-for|x-real-ip|node[0-9]*|master|slave|replica|standby|leader|broker|seeds?|eip|neighbor|endpoint|target|rip|lip|[sdrl]addr"
)
TOUCHES_ADDRESS = touching(_ADDRESS)
NAME_OF_ADDRESS = re.compile(rf"(?:(?i:{_ADDRESS})|.*(?:IPs?|Addr|Address(?:es)?|Hosts?|Server|Endpoint))\Z")
"""Matches the whole last word of a key of a configuration: ``AllowedIPs``."""
CALLED_ADDRESS = re.compile(
    r"(?:아이피|(?<![0-9A-Za-z])(?i:ip)(?:v4|4)?)(?: ?주소| ?(?i:address|addr))?[^0-9A-Za-z\n]{0,4}\Z"
)
SURELY_NAMED = re.compile(
    r"(?<![0-9A-Za-z])(?i:nameservers?|dns|ping|traceroute|ssh|whois|nslookup)(?: (?:server|서버))?(?:를|을|는|은)?(?: (?:-[A-Za-z]+|to|is))?[ :=]{1,2}\Z"
    r"|(?<![0-9A-Za-z])(?:dig|host|nmap|ping|iperf3?|nc|ncat|telnet|mtr|tracert|traceroute|arping|fping|hping3?|curl|wget|smbclient|nslookup)(?: -{1,2}[A-Za-z0-9-]{1,12}(?: [a-z0-9]{1,5})?){0,3} (?:@|//)?\Z"
    r"|(?<![0-9A-Za-z])mysql[a-z]* (?:[^\n]{0,40} )?(?:-h ?|--host[= ])\Z|(?<![0-9A-Za-z])(?:ssh|scp|sftp|rsync|mosh) [^\n]{0,30}@\Z|(?<![0-9A-Za-z])(?:root|admin|user|ubuntu|centos|ec2-user|deploy|pi)@\Z"
    r"|(?:[_.-]|(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))(?i:ips?|addr(?:ess(?:es)?)?|hosts?|hostname|peers?|prox(?:y|ies)|gateway|rhost|srcip|dstip|nodes|bind)[\"']? ?[=:] ?[\"'\[(]{0,3}\Z"
    r"|(?<![A-Za-z])(?:(?:reply|cached|forwarded) [a-z0-9.-]{1,40} (?:is|to) |(?:bind|remote|neighbor|next-hop|via) |[Ff]orwarded: for=|(?:out|in)side:|dmz:)\Z|(?<![0-9.])0\.0\.0\.0 +\Z"
    r"|(?:<\|ip\|+>[^\n<]{0,12}){2}\Z"
    r"|(?<![0-9A-Za-z:\\])\\{2,4}\Z|/dev/(?:tcp|udp)/\Z|/v:\Z|(?<![0-9.])(?:10\.[0-9]{1,3}|192\.168|172\.(?:1[6-9]|2[0-9]|3[01]))\.[0-9]{1,3}\.[0-9]{1,3}(?: | ?(?:->|→|=>) ?)\Z"
    r"|네임 ?서버(?:를|는)?[ :]{1,2}\Z|(?<![0-9A-Za-z])(?i:src|dst|[sd]addr|rip|lip|remote_addr|client(?:_addr)?)[=:] ?\Z|(?:^|\n) *(?:allow|deny|(?:[A-Z][a-z]+)*Address) \Z|(?<![0-9A-Za-z])-[sd] \Z"
)
"""Matches before an address even of four small numbers."""
NAMES_ADDRESS = re.compile(
    rf"(?:접속|서버|호스트|주소|아이피|게이트웨이|라우터|공유기|네임서버|작성자|게시자|글쓴이|로그인|방문자|차단|공격)[^0-9A-Za-z\n]{{0,6}}\Z"
    rf"|(?<![0-9A-Za-z])(?i:{_ADDRESS})(?: -[A-Za-z-]{{1,9}})*(?: is| was)?[^0-9A-Za-z\n]{{1,4}}\Z|(?<![A-Za-z])(?:at|pinged|[Pp]inging|grep|[A-Z][a-z]+Address|-[sd]) \Z|://\Z|(?:^|\s)-(?:h|H|[A-Z][A-Za-z]*(?:Name|Address|Host|Server)|-(?:host|server|bind|address|ip|node|master))[ =]\Z"
    r"|(?<![0-9A-Za-z])(?:ssh|scp|sftp|rsync|mosh) [^\n]{0,30}@\Z|(?<![0-9A-Za-z])(?:root|admin|user|ubuntu|centos|ec2-user|deploy|pi)@\Z"
    r"|://[A-Za-z0-9._-]{1,30}@\Z|'@'\Z|~[A-Za-z0-9_-]{1,20}@\Z"
)
_KOREAN_NEAR = (
    "아이피|접속|호스트|방화벽|포트|레코드|도메인|네임 ?서버|로그인|로그아웃|공인(?!인증)|대역|트래픽|패킷|해킹|해커|공격|차단|서버|프록시|원격|통신|발신지|출발지|목적지|"
    "밴(?= |\n|리스트|했|당|처리|\\Z)|웹쉘|웹셸|백도어|추방|강퇴|임대|(?<![A-Za-z])(?:KT|SKB|SKT)(?![A-Za-z])|연결(?=하|이|을|에|되| 안)|모뎀|기사님|유동|고정|경유지?|출구|토르|봇넷|좀비|악성|침입|침해|스캔|스팸|디도스|네트워크|인터넷(?!뱅킹)|게이트웨이|라우터|공유기|인스턴스|방문자|회원님?|기여자|편집했|되돌렸|접근|"
    "피해자|추적|허용|주소창?|핑(?=을|이|도| )|도배|입장|응답|DB|데이터베이스|장비|박스|노드|회선|포워딩|관제|탐지|감지|우회|라우팅|서브넷|클러스터"
)
_LATIN_NEAR = (
    "ips?|addr|hosts?|localhost|server|server_name|hostname|logins?|ssh[d2]?|firewall|connect(?:ed|ion|ing)?|disconnect(?:ed)?|nat|relay|dns|"
    "nslookup|dig|whois|route[drs]?|routing|listening|listen|bind|peers?|clients?|remote|(?:un)?ban(?:ned)?|(?:un)?block(?:ed|list)?|prob(?:ed|ing)|hostaddr|rejected|denied|allow|"
    "allowlist|whitelist|blacklist|deny|ping|traceroute|from|isp|resolv(?:es?|ed|ers?|ing)|reach(?:able|ed)?|unreachable|packets?|traffic|requests?|"
    "visitors?|designates?|permitted sender|vandalism|revert(?:ed)?|anonymous|gateway|proxy|vpn|tunnel|bgp|remote-as|acl|endpoint|upstream|backend|attack(?:er|ers|s|ed)?|hits|"
    "scann?(?:ed|ers?|ing)?|bots?|botnet|malware|abuse|spam|hop|ttl|icmp(?:_seq)?|tcp|udp|netmask|broadcast|brd|inet6?|eth[0-9]|tcpdump|snmp(?:get|walk)|"
    "sshd|smtpd?|imap|ftp|https?|refused|timeout|time out|timed out|hosted|external|aaaa|a records?|src|dst|cidr|cidr_blocks|joined|quit|curl|wget|telnet|"
    "psql|iptables|docker run|lan|wan|egress|ingress|syn|established|dnat|snat|master_addr|permanently added|known_hosts|ansible_(?:host|user)|remotely|internet|public ip|"
    "(?:[a-z]*ethernet|vlan|loopback|serial|tun|wg|ens|enp|vtnet|pts/|tty)[0-9]|notty|[a-z]*servers|nodes|members|seeds|targets|masters|brokers|workers|eips?|"
    "(?:access|login|visit(?:or)?|session|conn|audit|ban|block)_?(?:log|list|history)s?|getaddrinfo|enotfound|econnrefused|econnreset|etimedout|ehostunreach|"
    "dhcp|mx|relay|rejected?|aws(?! ?(?:cli|sdk))|ec2|gcp|vultr|linode|vps|idc"
)
NEAR_ADDRESS = re.compile(
    rf"{_KOREAN_NEAR}|(?<![A-Za-z])IN +A +|[a-z]\. A |(?<![A-Za-z])A [0-9]{{2,6}} |(?<![A-Za-z])(?:GET|POST|PUT|DELETE|HEAD|PATCH) "
    r"|(?<![A-Za-z])(?:[a-z][A-Za-z]*(?:I[pP]s?|Addr|Address|Host|Hosts)|[A-Z][A-Za-z]*I[pP](?:Address|s)?|IP|ip)(?:v[46])?(?![A-Za-z])"
    rf"|(?<![A-Za-z])(?i:(?:[a-z]+[_-])?(?:{_LATIN_NEAR}))(?![A-Za-z])"
    r"|(?:->|→|\|) ?10(?:\.[0-9]{1,3}){3}(?![0-9])|(?<![0-9.])(?:192\.168|127\.0\.0|0\.0\.0\.0|255\.255)(?![0-9])|(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}(?![0-9A-Za-z])"
)
"""Matches anywhere near an address that looks like a version."""
_ROLE = (
    "web|was|app|api|db|cache|mail|mx|smtp|ns|dns|nas|fw|lb|proxy|gw|vpn|bastion|jump|master|slave|worker|backup|bak|log|dev|stg|stage|staging|"
    "prod|prd|qa|test|(?:kr|us|jp|sg|eu|hk|tw|seoul|tokyo|busan)[-_]|srv|svr|server|host|pc|game|login|channel|zone|edge|relay|cam|dvr|nvr|gpu|build|(?:node|mysql|maria|pg|oracle|redis|mongo|git|jenkins)[-_]"
)
_DOMAIN = "(?:[a-z0-9_-]+\\.)+(?:com|net|org|kr|dev|me|jp|cn|local|lan|internal|localdomain|cloud|info|biz|test|example)"
_ROLE_AND_NUMBER = rf"(?!db2)(?:[a-z0-9]{{1,12}}[-_]){{0,3}}(?:{_ROLE})(?:[-_]?[0-9]{{1,3}}|[-_][a-z]{{1,8}}[-_]?[0-9]{{1,3}})"
AFTER_HOST = re.compile(
    rf"(?<![0-9A-Za-z_./@-])(?!asp\.net)(?:{_DOMAIN}[ \t]|(?:{_DOMAIN}|{_ROLE_AND_NUMBER})[ \t]{{0,8}}(?:[|,:=(\t]|->|→|=>|  ))[ \t\"']{{0,8}}\Z"
)
"""The name of a host: ``web1 | ``, ``a.co.kr (``; without a domain it has a role and a number."""
HOST_BEHIND = re.compile(rf"[ \t|,]{{1,20}}(?:{_DOMAIN}|{_ROLE_AND_NUMBER})(?![0-9A-Za-z_.-])")
DATE_BEHIND = re.compile(r" (?:\(토론\) )?(?:19|20)[0-9]{2}(?:년 |[-./][0-9]{1,2}[-./])")
AT_LINE_START = re.compile(r"(?:\A|\n)[ \t|]{0,8}\Z")
SHOWN_BEHIND = re.compile(
    r" ?(?:(?:이라고|라고|으로|로|이|가|만|은|는)? ?)(?:이렇게 |계속 |자꾸 |그냥 )?(?:나와|나오|나옴|나온|뜨|뜸|뜬|떠|떴|찍히|찍혀|찍힌|찍힘|잡아|잡히|잡혀|잡힌|잡힘)"
    r"| ?(?:<<|<-|←)? ?(?:여기|이쪽|이거|요거|이 ?주소)| ?(?:인데|이네|이야|임(?![가-힣])|입니다|이에요|이었|였|래요|이래|라는데|이라는데)"
)
"""Words for what a page or a device shows, or a copula, behind numbers that versions hardly have."""
CELL_BEFORE = re.compile(r"(?:^|[\n|,;\t]) ?\Z| {2}\Z")
CELL_BEHIND = re.compile(r" ?(?:$|[\n|,;\t])| {2}")
SETTING = re.compile(
    r"(?:^|\s)(?!\w*(?:VERSION|_VER|RELEASE|BUILD|TAG)=)(?:[A-Z][A-Z0-9_]{2,40}=|[A-Z_]{5,30}/)\Z"
)
"""The name of a variable of the environment or of a way in a log of a proxy (DIRECT/), which is no package."""
SOCKETS = re.compile(r"(?:\A|\n)(?:tcp|udp)6? [^\n]*\Z")
"""Before an address in a list of sockets, where a port follows."""
NAMED_BY_TITLE = re.compile(r"(?<![A-Za-z])(?i:ips?)(?![A-Za-z])|아이피")
# "<|ip|> → 3.34.7.99"
AFTER_PLACEHOLDER = re.compile(
    r"\|>[\"']?(?:에서|와|과)? ?(?:→|->|=>|~|-|,|/|및|또는|and|or|to)? ?[\"']?\Z|<\|ip\|+>[^\n]{0,30}(?:\n[ \t]{0,12}[-*] [\"']?)?\Z"
)
AFTER_TIME = re.compile(
    r"[0-9]{2}:[0-9]{2} \(\Z|\|-- \Z|(?<![0-9])[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,6})?Z?(?: [+-][0-9]{4})?\]? \Z|[0-9] ms +\Z|[A-Za-z0-9]\[\Z"
)
"""Matches before the address of an entry in a log."""
USED_AS_ADDRESS = re.compile(
    r" - [A-Za-z0-9_-]{1,32} \[|::?[0-9]{2,5}(?![0-9])|::?/?[A-Za-z]| (?:(?:is|was|went|marked)(?: as)? )(?:up|down|dead|alive|unreachable|suspect)\b|(?:에서?|로) ?(?:접속|로그인|연결|핑|ping|ssh|요청|접근|시도|들어|보낸)"
)
PARTICLE_BEHIND = re.compile(r"(?:에서|에게|에|으로|로|의|와|과|이|가|은|는|을|를)(?![가-힣])")
"""A Korean particle: the four numbers are part of a sentence."""
ICMP_BEHIND = re.compile(
    r" icmp_seq|: bytes=|:(?:22|80|443|[1-9][0-9]{3,4})(?![0-9])|\.[0-9]{1,5}(?: > |: Flags|: UDP)| +[a-z0-9-]+(?:\.[a-z0-9-]+)+\.? (?:A|AAAA|MX|TXT|PTR|NS) IN\b"
)
_NOT_OF_VERSION = "(?<!호환)(?<!노트)(?<!배포)(?<!최신)(?<!신판)(?<!지원)(?<!요구)(?<!권장)(?<!적용)(?<!분류)(?<!번호)(?<!신규)(?<!기존)(?<!이전)(?<![절항조식])"
"""Behind the last character of a label; labels of versions are rejected."""
_PARTICLE = "(?:[가-힣](?:(?<![페레제하케카바])이|은|는|을|를|과|와|의|가|에게|한테|에|에서|께서))"
STANDS_FREE = re.compile(
    rf"(?:(?:^|\n|[가-힣][:,] ?|{_PARTICLE} |[가-힣]\) )[「『“‘'\"`*(\[<《]{{1,2}}"
    rf"|[가-힣]{_NOT_OF_VERSION}\)? ?: ?|{_PARTICLE} |[가-힣]\) |, |<t[dh][^<>\n]{{0,40}}>|(?:^|\n) {{0,8}}[0-9]{{1,7}}(?:위|등|[.)])? |(?:^|\s)[A-Z][A-Z0-9_]{{2,40}}=|(?:사람|사용자|유저|이용자|회원|가입자|범인|용의자|상대| 중|(?:유포|배포|살포|유출|발신|경유|접속|출발|목적)지) |(?<![0-9A-Za-z])[A-Z][a-z]+-[A-Z][A-Za-z]+ )\Z"
)
"""Matches where no name of a product comes right before four numbers: after an opening sign, a label or a particle, or in a list.
A version is always the version of something, so a number without such an owner takes part in the sentence itself."""
LABELED = re.compile(
    r"(?:[0-9]{1,2}:[0-9]{2} \[?|[가-힣] - |return [\"']|(?<![A-Za-z])(?:by|for) |(?:^|\n)(?:(?:[$#>;]|//|--) )?(?:[A-Za-z가-힣][A-Za-z가-힣0-9_& -]{1,20}"
    + _NOT_OF_VERSION
    + r": |[a-z][a-z0-9_-]{2,20} (?:-{1,2}[A-Za-z-]{1,12} (?:[^\s-]{1,12} )?){0,2}@?)"
    r"|(?:^|[\s,{(])[A-Za-z_][0-9A-Za-z_]{1,30} ?= ?[\[(]?[\"']|<[a-z]{1,6}>|(?:^|\n)(?:#|//|;|--|REM|/\*) "
    r"|(?<![가-힣])(?:혹시|지금|방금|아까|계속|자꾸|또|그|이|저|여기|어제|오늘|현재|다시|대신|말고|이관 전|이관 후|변경 전|변경 후|AS-IS|TO-BE|as-is|to-be|개발|운영|상용|스테이징|본사|지사|메인|보조) "
    r"|[:,;>] ?[\"'\[(]{1,2}|(?<![0-9A-Za-z_])(?:[A-Za-z_][0-9A-Za-z_]*\.)?[A-Za-z_][0-9A-Za-z_]*\([\"']"
    r"|(?:^|\n)[ \t]{0,8}[-*•·] |(?:^|\n)[ \t]{0,8}(?:[①-⑳]|[0-9]{1,2}[.)]) )\Z"
)
"""A label, a command, an item of a list or an adverb: no name of a product either."""
SENTENCE_BEHIND = re.compile(r" (?!(?:배|점|원|개|명)(?![가-힣]))[가-힣]| [1-5][0-9]{2}(?: |\Z)")
_LIST = r"[\"']?(?:[ \t]*[,;/|]?[ \t]*|[ \t]*\n[ \t]*(?:[-*•·] )?)[\"']?"
ADDRESS_BEFORE = re.compile(
    rf"(?<![0-9.])(?P<a>{BYTE})\.(?P<b>{BYTE})\.{BYTE}\.{BYTE}(?![0-9.])(?=[^0-9]){_LIST}\Z"
)
ADDRESS_NEXT = re.compile(rf"{_LIST}(?P<a>{BYTE})\.(?P<b>{BYTE})\.{BYTE}\.{BYTE}(?![0-9.])")
"""The neighbors of an item of a list."""
HOP_BEHIND = re.compile(rf" \({QUAD}\)")
AFTER_NETWORK = re.compile(r"[0-9]/[0-9]{1,2} (?:via )?\Z")
COUNTRY_BEHIND = re.compile(
    r" \((?:19|20)[0-9]{2}[-./]|[ \t|,(/]{1,5}(?:(?:KR|US|JP|CN|HK|TW|SG|DE|FR|GB|UK|RU|NL|VN|BR|CA|UA)(?![0-9A-Za-z])|한국|대한민국|미국|중국|일본|러시아|독일|홍콩|대만|베트남|싱가포르|네덜란드|영국|프랑스|서울|부산)"
)
OWNER_BEHIND = re.compile(r"\+|\](?: ?[-–(\n]|\Z)| (?:changelog|시험|조건)")
WIKI_BEHIND = re.compile(r"[」』]?(?:\(토론\)|의? ?(?:사용자|기여|편집|토론)| ?님)")
IN_BRACKETS = re.compile(r"[가-힣]\(\Z")
TOUCHES_BRACKET = re.compile(r"[0-9A-Za-z가-힣]\(\Z")
BRACKETS_BEHIND = re.compile(r"\)(?:에서|으로|로|은|는|이|가|을|를|와|과|의|님)")
DEPENDENCY = re.compile(r"[dD]ependencies[\"']?[ :={]")
ADDRESS_BEHIND = re.compile(
    rf"{USED_AS_ADDRESS.pattern}|[ \t,>-]{{1,4}}(?:10\.[0-9]{{1,3}}|192\.168|172\.(?:1[6-9]|2[0-9]|3[01]))\.[0-9]{{1,3}}\.[0-9]{{1,3}}(?![0-9.])"
    rf"|/[A-Za-z0-9_-]{{1,30}}\.[a-z]{{2,4}}(?![0-9A-Za-z])|(?: ?\| ?| +)port\b|[)\]]? ?님|,? - [^ \n]{{1,32}} \[| +[0-9.]+ ?ms\b|에서 ?(?:비정상|수상한|무단|외부|반복|다수|불법|과도한|악성|지속)"
)
PREFIX = re.compile("/([0-9]{1,3})(?![0-9.])")
MASK_BEHIND = re.compile(
    r" (?:netmask |mask )?(?:255|254|252|248|240|224|192|128)\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9])"
)

# --- versions, things and places ---
VERSION = re.compile(
    r"(?:버전|판본|최신|(?:최신|개정|정식|신|구)판|펌웨어|섹션|빌드|릴리스|릴리즈|패치|업데이트|개정|드라이버|엔진|최소 ?(?:지원|사양|요구)"
    r"|(?i:versions?|(?<![a-z])(?:release|firmware|build|section|ver|rev|revision|patch|driver|sdk|oid|tag|v)))"
    r"(?i:_?(?:no|num|number|name|info|string|code)| ?값| ?정보| ?번호| ?체크| ?확인| ?비교)?(?: ?(?:은|는|이|가|을|를|으로|로|is|was))?"
    r"(?!/ )[^0-9A-Za-z가-힣\n]{0,6}\Z"
)
PLACE_IN_TEXT = re.compile(
    r"(?:(?:^|\n) ?#{1,6} \[?v?|(?<![가-힣])(?:부록|그림|표|식|제|별표|항목|문단|점수|평점|배율|비율|코드|세번|품목|시료|길이|치수|규격|단가) ?|변경 ?(?:사항|이력|내역)[^0-9A-Za-z가-힣]{0,4}"
    r"|(?<![A-Za-z])(?:RFC|ISO|3GPP(?: TS| TR)?|IEC|IEEE|KS|KDS|KCS|ASTM|IFRS|NIST|ETSI|ITU|DIN|EN|PCI DSS|NCS|CIS|SN)[ -]?(?:[A-Z]?[0-9]{1,5} )?"
    r"|(?i:(?<![a-z])(?:changelog|release notes|appendix|annex|figure|fig\.|table|chapter|clause|sec\.|paragraph|lemma|theorem|eq\.|§)(?: (?:for|of))?) ?\(?)\Z"
)
PLACE_BEHIND = re.compile(
    r" ?(?:항|절|조|장|문단|단락|목)(?![가-힣])| ?(?:항|절|조|장|문단|단락)(?:의|에|을|를|은|는|과|와|에서)(?![가-힣])"
)
VERSION_BEHIND = re.compile(
    r"[\"'`)]{0,2}(?:(?:의|이|은|는)? ?\(?(?:버전|빌드|릴리스|릴리즈|정식 ?판|베타|(?i:versions?|release|build|beta|alpha|stable|rc[0-9]))"
    r"| ?(?:이상|이하|미만|초과)|(?:으)?로 (?:업데이트|업그레이드|판올림|올|교체)| \((?:공식 빌드|(?i:official build|64-bit|32-bit|x64|build))"
    r"|에서(?:는|도)? ?(?:고쳤|수정|해결|재현|추가|제거|변경|도입|지원|안 생)|(?:을|를|이|가)? ?(?:설치|배포|출시|다운로드|내려받)| ?(?:업데이트|패치|변경 ?내역)(?! ?서버))"
)
UPGRADE = re.compile(
    r"(?i:up(?:grad|dat)(?:e|ed|es|ing)|bump(?:ed|s)?) (?!ip |dns |host |server|addr)(?:[A-Za-z0-9_@/.-]{1,40} )?(?i:from|to) [\"'`]?\Z"
    r"|(?i:tested (?:on|with)|deprecated as of|(?:fixed|introduced|added|removed) in|since|until|requires) [\"'`]?\Z"
)
# "Chrome/139.0.0.0": a product of a browser's name, not the end of a path
PRODUCT_TOKEN = re.compile(r"(?<![^\s\"'(;,])(?P<name>[A-Za-z][A-Za-z0-9_+-]{1,30})/\Z")
# "pillow==9.1.33.40", "foo>=1.96.0.1": a requirement of a package
REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9_.\]-]{1,40})(?:[=~!<>]=|~>|=) ?\Z|(?P<spaced>[A-Za-z0-9_.-]{1,40}) = \Z|(?<![0-9A-Za-z])[\"'](?:\^|~|[~<>=]=|~>|[<>]) ?\Z"
    r"|(?<![0-9A-Za-z_.:/-])[A-Za-z][A-Za-z0-9_.-]{1,60}:[A-Za-z][A-Za-z0-9_.-]{1,40}:\Z"
    r"|(?:(?:npm|npx|yarn|pnpm|bun) [^\n]{0,30}|@[a-z0-9_-]{1,30}/)[A-Za-z0-9_-]{1,30}@\Z|(?:FROM|docker pull|podman pull) [^\s]{1,60}:\Z"
)
_PRODUCTS = (
    "chrome|chromium|headlesschrome|chromedriver|geckodriver|webview2?|playwright|selenium|puppeteer|firefox|edge|edg|edga|edgios|safari|opera|opr|vivaldi|brave|whale|samsungbrowser|yabrowser|"
    "webview|electron|applewebkit|mozilla|rust|rustc|cargo|python|java|jdk|jre|openjdk|node|nodejs|npm|php|ruby|perl|golang|"
    "kotlin|swift|scala|dart|flutter|windows|macos|ios|android|ubuntu|debian|linux|kernel|glibc|gcc|clang|llvm|cuda|cudnn|"
    "nvidia|directx|openssl|openssh|nginx|apache|tomcat|mysql|mariadb|postgresql|oracle|mongodb|redis|kafka|spark|hadoop|"
    "docker|kubernetes|unity|unreal|office|excel|word|outlook|acrobat|reader|photoshop|flash|skype|zoom|teams|slack|discord|"
    "gradle|maven|httpd|elasticsearch|hwp|laravel|django|spring|react|angular|vue|jquery|bootstrap|webpack|ansible|terraform|jenkins|"
    "gitlab|grafana|prometheus|opencv|pandas|scipy|cmake|fortios|esxi|hyper-v|vmware tools|sql server|hana|iis|ios xe|webview|"
    "check point|steam|itunes|kakaotalk|line|telegram|vlc|potplayer|bandizip|vmware|virtualbox|autocad|matlab|tensorflow|pytorch|numpy"
)
_KOREAN_PRODUCTS = "크롬|크로미움|엣지|파이어폭스|사파리|오페라|웨일|윈도우?|안드로이드|파이썬|자바|러스트|플래시|카카오톡|브라우저|앱|(?:클라이언트|프로그램|소프트웨어|익스플로러|데스크톱|에이전트|플러그인|뷰어|런처|백신)(?! ?[:=(])|(?<=Server: )[A-Za-z]{2,20}"
PRODUCT = re.compile(
    rf"(?:(?<![0-9A-Za-z])(?i:{_PRODUCTS})|{_KOREAN_PRODUCTS})"
    r"(?: [0-9]{1,4}| for [A-Za-z]+)?[ :=\"'(|]{1,5}\Z"
)
PRODUCT_SUBJECT = re.compile(
    rf"(?:(?<![0-9A-Za-z])(?i:{_PRODUCTS})|{_KOREAN_PRODUCTS}|(?<![가-힣])[절항조장])[은는의] \Z"
)
SERVER_PRODUCT = re.compile(
    rf"(?:(?<![0-9A-Za-z])(?i:{_PRODUCTS}) (?:서버|[Ss]erver)|(?<![0-9A-Za-z])[A-Z][a-z]+[A-Z][A-Za-z]* Server) \Z"
)
IN_PATH = re.compile(r"://[^\s/]+/(?:[^\s/]*/)*\Z")
"""Matches before a part of the path of a URL, which has named its host before."""
AFTER_QUAD = re.compile(
    rf"(?<![0-9.]){QUAD}[\"']?(?: ?(?:에서|부터|와|과|및|또는|->|→|~|,|/|<|>|and|or|to|-)+ ?[\"']?)\Z"
)
AFTER_DATE = re.compile(r"[0-9]{4}[-./][0-9]{1,2}[-./][0-9]{1,2}[ T]\Z")
