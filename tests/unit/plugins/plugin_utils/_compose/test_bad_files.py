# Copyright (c) 2026 the gpu_fleet.containers developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Group files that must be refused, each with the whole message that a user sees."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.gpu_fleet.containers.plugins.module_utils._errors import FleetError
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.group import load_text
from ansible_collections.gpu_fleet.containers.plugins.plugin_utils._compose.interpolate import Variables

WEB = "services:\n  web:\n    image: i\n"
PORTS = "Write [address:][published:]container[/protocol], e.g. 8080:80, 127.0.0.1:53:53/udp or 9000-9001:9000-9001."


class Case(t.NamedTuple):
    what: str
    text: str
    message: str


CASES = [
    Case("empty file", "", "core.yml: the file is empty. A group file has at least `services:`."),
    Case("only a comment", "# nothing\n", "core.yml: the file is empty. A group file has at least `services:`."),
    Case(
        "a tab",
        "services:\n\tweb: {}\n",
        "core.yml:2:1: this is not valid YAML: while scanning for the next token, found character '\\t' "
        "that cannot start any token. Indent with spaces; YAML does not allow tabs.",
    ),
    Case(
        "a bracket that is never closed",
        "services:\n  web: {image: i\n",
        "core.yml:3:1: this is not valid YAML: while parsing a flow mapping, expected ',' or '}', but "
        "got '<stream end>'",
    ),
    Case(
        "two documents",
        "services: {web: {image: i}}\n---\nservices: {}\n",
        "core.yml:2:1: this is not valid YAML: expected a single document in the stream, but found "
        "another document. Keep one group in a file; remove the `---`.",
    ),
    Case(
        "a key between two levels",
        "services:\n  web:\n    image: i\n   ports: [a]\n",
        "core.yml:4:4: this is not valid YAML: while parsing a block mapping, expected <block end>, but found "
        "'<block mapping start>'. Check the indentation of this line against the lines above.",
    ),
    Case(
        "an alias without its anchor",
        "services: {web: *nowhere}\n",
        "core.yml:1:17: this is not valid YAML: found undefined alias 'nowhere'",
    ),
    Case(
        "an anchor in itself",
        "x-a: &a\n  b: *a\nservices: {web: {image: i}}\n",
        "core.yml:1:6: x-a.b: this anchor contains itself",
    ),
    Case(
        "a key twice",
        WEB + "    tty: true\n    image: j\n",
        "core.yml:5:5: services.web.image: the key image stands twice, in line 3 and in line 5",
    ),
    Case(
        "a key that is a number",
        WEB + "    labels:\n      1: a\n",
        "core.yml:5:7: services.web.labels: the key 1 is not a text. Put it in quotes.",
    ),
    Case(
        "an unknown tag",
        WEB + "    hostname: !vault abc\n",
        "core.yml:4:15: services.web.hostname: the tag !vault is not supported. Remove the tag.",
    ),
    Case("a list instead of a mapping", "- services\n", "core.yml: this must be a mapping, but is a list"),
    Case("no services", "name: core\n", "core.yml: the group is empty: it has no services"),
    Case("empty services", "services: {}\n", "core.yml:1:1: services: the group is empty: it has no services"),
    Case(
        "a name other than the file's",
        "name: other\nservices: {web: {image: i}}\n",
        "core.yml:1:1: name: the name other differs from the file's name core. container_groups names "
        "the file; make both the same, or leave name out.",
    ),
    Case(
        "a name that is none",
        "name: My Group\nservices: {web: {image: i}}\n",
        "core.yml:1:1: name: 'My Group' is not the name of a group: lower-case letters, digits, '-' and "
        "'_' are allowed",
    ),
    Case(
        "a misspelled top-level key",
        "servces:\n  web: {image: i}\n",
        "core.yml:1:1: servces: the key servces is not known here. Did you mean «services»?",
    ),
    Case(
        "a misspelled service key",
        WEB + "    enviroment: {A: b}\n",
        "core.yml:4:5: services.web.enviroment: the key enviroment is not known here. Did you mean «environment»?",
    ),
    Case(
        "a misspelled key further down",
        WEB + "    healthcheck:\n      test: [CMD, a]\n      intervall: 5s\n",
        "core.yml:6:7: services.web.healthcheck.intervall: the key intervall is not known here. Did you mean «interval»?",
    ),
    Case(
        "a key that is not supported",
        WEB + "    external_links: [other]\n",
        "core.yml:4:5: services.web.external_links: external_links is not supported: it names containers of others. "
        "Use x-links, or an external network.",
    ),
    Case(
        "a text where a list belongs",
        WEB + "    ports: '80:80'\n",
        "core.yml:4:5: services.web.ports: this must be a list, but is a text",
    ),
    Case(
        "a number where a text belongs",
        WEB + "    hostname: 12\n",
        "core.yml:4:5: services.web.hostname: this must be a text, but is a number. Put it in quotes.",
    ),
    Case(
        "a boolean that is none",
        WEB + "    tty: maybe\n",
        "core.yml:4:5: services.web.tty: this must be true or false, but is 'maybe'",
    ),
    Case(
        "a bad service name",
        "services:\n  'my web': {image: i}\n",
        "core.yml:2:3: services['my web']: 'my web' is not a name; letters, digits, '.', '_' and '-' are allowed",
    ),
    Case(
        "neither image nor build",
        "services:\n  web:\n    tty: true\n",
        "core.yml:2:3: services.web: the service web has neither image nor build. Name an image or a build context.",
    ),
    Case(
        "a port that is none",
        WEB + "    ports: [eighty]\n",
        "core.yml:4:13: services.web.ports[0]: 'eighty' is not a container port. " + PORTS,
    ),
    Case(
        "a port too high",
        WEB + "    ports:\n      - 80:80\n      - 8080:70000\n",
        "core.yml:6:9: services.web.ports[1]: '8080:70000': 70000 is not a container port; ports are 1 to 65535. "
        + PORTS,
    ),
    Case(
        "port ranges of different length",
        WEB + "    ports: ['8000-8003:80-81']\n",
        "core.yml:4:13: services.web.ports[0]: '8000-8003:80-81' has 4 published and 2 container ports. " + PORTS,
    ),
    Case(
        "an unknown protocol",
        WEB + "    ports: ['80:80/icmp']\n",
        "core.yml:4:13: services.web.ports[0]: '80:80/icmp' has the protocol 'icmp'; known are tcp, udp, sctp. "
        + PORTS,
    ),
    Case(
        "a publishing address that is none",
        WEB + "    ports: ['1.2.3:80:80']\n",
        "core.yml:4:13: services.web.ports[0]: '1.2.3:80:80': '1.2.3' is not an IP address. " + PORTS,
    ),
    Case(
        "the same port twice",
        WEB + "    ports: ['9000-9001:9000-9001', '127.0.0.1:9001:1']\n",
        "core.yml:4:36: services.web.ports[2]: port 9001/tcp is published twice, also by services.web.ports[1]",
    ),
    Case(
        "a bad size",
        WEB + "    mem_limit: 12 apples\n",
        "core.yml:4:5: services.web.mem_limit: '12 apples' is not a size; write a number and b, k, m, g "
        "or t, e.g. 512m",
    ),
    Case(
        "a bad duration",
        WEB + "    healthcheck: {test: [CMD, a], interval: 1 day}\n",
        "core.yml:4:35: services.web.healthcheck.interval: '1 day' is not a duration; write numbers and "
        "ms, s, m or h, e.g. 1m30s",
    ),
    Case(
        "a duration that is a number",
        WEB + "    stop_grace_period: 10\n",
        "core.yml:4:5: services.web.stop_grace_period: this must be a duration, e.g. 1m30s, but is a "
        "number. Write 10s for seconds.",
    ),
    Case(
        "a health test without CMD",
        WEB + "    healthcheck: {test: [curl, localhost]}\n",
        "core.yml:4:19: services.web.healthcheck.test: the test must start with CMD, CMD-SHELL or NONE, "
        "not 'curl'. Write [CMD, curl, localhost].",
    ),
    Case(
        "a volume that is not declared",
        WEB + "    volumes: ['modles:/models']\nvolumes: {models: }\n",
        "core.yml:4:15: services.web.volumes[0]: the volume modles is not declared. Did you mean «models»?",
    ),
    Case(
        "a network that is not declared",
        WEB + "    networks: [back]\n",
        "core.yml:4:16: services.web.networks.back: the network back is not declared. Declare it at the "
        "end of the file: networks: {back: {}}.",
    ),
    Case(
        "a secret that is not declared",
        WEB + "    secrets: [token]\n",
        "core.yml:4:15: services.web.secrets[0]: the secret token is not declared. Declare it at the "
        "end of the file: secrets: {token: {file: ./…}}.",
    ),
    Case(
        "a secret from nowhere",
        WEB + "    secrets: [token]\nsecrets: {token: {}}\n",
        "core.yml:5:11: secrets.token: the secret token must come from one place, but names nothing. "
        "Write one of file, environment, external.",
    ),
    Case(
        "a mount target that is relative",
        WEB + "    volumes: ['./a:b']\n",
        "core.yml:4:15: services.web.volumes[0]: './a:b': the container's path 'b' is not absolute. "
        "Start it with a slash.",
    ),
    Case(
        "two mounts at one place",
        WEB + "    volumes: ['./a:/data', './b:/data/']\n",
        "core.yml:4:28: services.web.volumes[1]: two volumes on /data, also services.web.volumes[0]",
    ),
    Case(
        "an unknown dependency",
        WEB + "    depends_on: [wbe]\n",
        "core.yml:4:18: services.web.depends_on.wbe: there is no service wbe. Did you mean «web»?",
    ),
    Case(
        "a circle of dependencies",
        "services:\n  a: {image: i, depends_on: [b]}\n  b: {image: i, depends_on: [c]}\n  c: {image: i, depends_on: [a]}\n",
        "core.yml:2:30: services.a.depends_on.b: the services depend on each other in a circle: a → b → c → a",
    ),
    Case(
        "an unknown condition",
        WEB + "    depends_on: {web: {condition: service_ready}}\n",
        "core.yml:4:24: services.web.depends_on.web.condition: 'service_ready' is not one of "
        "service_started, service_healthy, service_completed_successfully. Did you mean «service_healthy»?",
    ),
    Case(
        "network_mode with networks",
        WEB + "    network_mode: host\n    networks: [default]\n",
        "core.yml:4:5: services.web.network_mode: network_mode and networks exclude each other",
    ),
    Case(
        "network_mode of an unknown service",
        WEB + "    network_mode: service:vpn\n",
        "core.yml:4:5: services.web.network_mode: there is no service vpn. Known here: web.",
    ),
    Case(
        "a container name twice",
        "services:\n  a: {image: i, container_name: same}\n  b: {image: i, container_name: same}\n",
        "core.yml:3:17: services.b.container_name: the container name same is taken by the service a",
    ),
    Case(
        "two values for one limit",
        WEB + "    mem_limit: 1g\n    deploy: {resources: {limits: {memory: 2g}}}\n",
        "core.yml:4:5: services.web.mem_limit: mem_limit and deploy.resources.limits.memory differ. Keep one of them.",
    ),
    Case(
        "more than one replica",
        WEB + "    deploy: {replicas: 3}\n",
        "core.yml:4:14: services.web.deploy.replicas: a service is one container, but 3 are asked for. "
        "Write a service for each.",
    ),
    Case(
        "an env_file that is not there",
        WEB + "    env_file: [no-such.env]\n",
        "core.yml:4:16: services.web.env_file[0]: the environment file /nowhere/no-such.env: there is no such file",
    ),
    Case(
        "a required variable",
        WEB + "    hostname: ${HOST_NAME:?say which host}\n",
        "core.yml:4:5: services.web.hostname: the variable HOST_NAME is required but not set: say which "
        "host. Set it in container_environment, or as HOST_NAME=… in the .env beside the file.",
    ),
    Case(
        "a variable that is not closed",
        WEB + "    hostname: ${HOST_NAME\n",
        "core.yml:4:5: services.web.hostname: a ${ is not closed. Close it with }, or write $$ for a dollar sign.",
    ),
    Case(
        "a secret in the configuration",
        WEB + "    command: [run, --token, '${TOKEN}']\n",
        "core.yml:4:29: services.web.command[2]: TOKEN is a secret and must not be written into the "
        "configuration. Use a Compose secret instead: secrets: {token: {environment: TOKEN}}.",
    ),
    Case(
        "a command with an open quote",
        WEB + "    command: sh -c 'echo\n",
        'core.yml:4:5: services.web.command: "sh -c \'echo" is no command line: a quote, a backslash or '
        "a parenthesis is not closed. Write it as a list: [program, argument].",
    ),
    Case(
        "external with options",
        WEB + "    volumes: ['data:/d']\nvolumes: {data: {external: true, driver: local}}\n",
        "core.yml:5:34: volumes.data.driver: external and driver exclude each other. Remove driver.",
    ),
    Case(
        "a GPU stack that does not exist",
        WEB + "    x-gpu: {stacks: [nvidea, cpu]}\n",
        "core.yml:4:22: services.web.x-gpu.stacks[0]: 'nvidea' is not one of nvidia, nvidia-wsl, "
        "nvidia-tegra, rocm, rocm-wsl, intel, vulkan, videocore, venus, metal, cpu. Did you mean «nvidia»?",
    ),
    Case(
        "a misspelled key of x-gpu",
        WEB + "    x-gpu: {stack: [nvidia]}\n",
        "core.yml:4:13: services.web.x-gpu.stack: the key stack is not known here. Did you mean «stacks»?",
    ),
    Case(
        "GPU memory without a unit it knows",
        WEB + "    x-gpu: {memory: 4 gigs}\n",
        "core.yml:4:13: services.web.x-gpu.memory: '4 gigs' is not a size; write a number and b, k, m, "
        "g or t, e.g. 512m",
    ),
    Case(
        "GPUs by number and by name",
        WEB + "    x-gpu: {count: 1, ids: [0]}\n",
        "core.yml:4:5: services.web.x-gpu: count and ids exclude each other. Remove count.",
    ),
    Case(
        "a misspelled kind of display",
        WEB + "    x-display: x12\n",
        "core.yml:4:5: services.web.x-display: 'x12' is not one of auto, wslg, x11, wayland. Did you mean «x11»?",
    ),
    Case(
        "a misspelled kind of display among others",
        WEB + "    x-display: [x11, waylnad]\n",
        "core.yml:4:22: services.web.x-display[1]: 'waylnad' is not one of wslg, x11, wayland. Did you mean «wayland»?",
    ),
    Case(
        "a misspelled key of x-display",
        WEB + "    x-display: {optinal: true}\n",
        "core.yml:4:17: services.web.x-display.optinal: the key optinal is not known here. Did you mean «optional»?",
    ),
    Case(
        "a kind of display twice",
        WEB + "    x-display: [x11, x11]\n",
        "core.yml:4:5: services.web.x-display: a kind of display is named twice",
    ),
    Case(
        "a display of another kind",
        WEB + "    x-display: {display: ':1', kinds: [wayland]}\n",
        "core.yml:4:17: services.web.x-display.display: :1 is none of wayland. Remove kinds.",
    ),
    Case(
        "a display that is none",
        WEB + "    x-display: {display: 'localhost:10'}\n",
        "core.yml:4:17: services.web.x-display.display: 'localhost:10' is not a display, e.g. ':1' or wayland-0",
    ),
    Case(
        "a link without a port",
        WEB + "    x-links: {MEMORY_URL: 'tcp://pc2-memory/orchestrator'}\n",
        "core.yml:4:15: services.web.x-links.MEMORY_URL: 'tcp://pc2-memory/orchestrator' is not the "
        "address of a service. Write tcp://group/service:port, or tcp://service:port where the name is unique.",
    ),
    Case(
        "a misspelled key of x-fleet",
        "x-fleet: {need: [core]}\n" + WEB,
        "core.yml:1:11: x-fleet.need: the key need is not known here. Did you mean «needs»?",
    ),
    Case(
        "a group that needs itself",
        "x-fleet: {needs: [core]}\n" + WEB,
        "core.yml:1:19: x-fleet.needs[0]: the group core needs itself",
    ),
    Case(
        "a build variant for no stack",
        WEB + "    build: {context: ., x-stacks: {cuda: {target: gpu}}}\n",
        "core.yml:4:36: services.web.build.x-stacks.cuda: there is no GPU stack cuda. Known here: cpu, "
        "intel, metal, nvidia, nvidia-tegra, nvidia-wsl, rocm, rocm-wsl, venus, videocore, vulkan.",
    ),
    Case(
        "a template that there is not",
        WEB + "    build: {context: ., x-template: cudda}\n",
        "core.yml:4:25: services.web.build.x-template: there is no template cudda. Did you mean «cuda»?",
    ),
    Case(
        "a template beside a Containerfile",
        WEB + "    build: {context: ., x-template: cpu, dockerfile: Containerfile}\n",
        "core.yml:4:25: services.web.build.x-template: x-template and dockerfile exclude each other",
    ),
    Case(
        "a template beside a Containerfile for one stack",
        WEB + "    build: {context: ., x-stacks: {nvidia: {template: cuda, dockerfile: Containerfile}}}\n",
        "core.yml:4:45: services.web.build.x-stacks.nvidia.template: template and dockerfile exclude each other",
    ),
    Case(
        "a bootstrap without its suite",
        WEB + "    build: {context: ., x-bootstrap: {argument: BASE}}\n",
        "core.yml:4:25: services.web.build.x-bootstrap: the key suite is missing",
    ),
    Case(
        "extends names no service",
        WEB + "    extends: wbe\n",
        "core.yml:4:5: services.web.extends: there is no service wbe. Did you mean «web»?",
    ),
    Case(
        "extends names no file",
        WEB + "    extends: {file: base.yml, service: web}\n",
        "core.yml:4:15: services.web.extends.file: the file base.yml cannot be extended: there is no such file",
    ),
    Case(
        "services that extend each other",
        "services:\n  one: {extends: two}\n  two: {extends: one}\n",
        "core.yml:2:9: services.one.extends: the services extend each other in a circle: one → two → one",
    ),
    Case(
        "include names no file",
        "include: [parts/gone.yml]\n" + WEB,
        "core.yml:1:11: include[0]: /nowhere/parts/gone.yml cannot be included: there is no such file",
    ),
    Case(
        "a limit beside those of deploy",
        WEB + "    mem_limit: 1g\n    deploy: {resources: {limits: {cpus: 1}}}\n",
        "core.yml:4:5: services.web.mem_limit: mem_limit stands beside deploy.resources.limits, which lacks it. "
        "Write it as deploy.resources.limits.memory.",
    ),
    Case(
        "include of something that is no file",
        "include: ['oci://example.org/part']\n" + WEB,
        "core.yml:1:11: include[0]: oci://example.org/part is not a file on this machine. Keep a copy beside this file.",
    ),
    Case(
        "extends of something that is no file",
        WEB + "    extends: {service: web, file: 'https://example.org/part.git'}\n",
        "core.yml:4:29: services.web.extends.file: https://example.org/part.git is not a file on this machine. "
        "Keep a copy beside this file.",
    ),
    Case(
        "services that extend each other without end",
        "services:\n  s0: {image: i}\n" + "".join(f"  s{n + 1}: {{extends: s{n}}}\n" for n in reversed(range(60))),
        "core.yml:54:8: services.s9.extends: more than 50 services extend each other in a row",
    ),
    Case(
        "include with no path",
        "include: [{path: []}]\n" + WEB,
        "core.yml:1:12: include[0].path: no file is named",
    ),
    Case(
        "include with a project directory that is not there",
        "include: [{path: parts/gone.yml, project_directory: here}]\n" + WEB,
        "core.yml:1:34: include[0].project_directory: there is no directory /nowhere/here",
    ),
    Case(
        "a link to no service",
        WEB + "    links: [wbe]\n",
        "core.yml:4:13: services.web.links[0]: there is no service wbe. Did you mean «web»?",
    ),
    Case(
        "volumes from outside the group",
        WEB + "    volumes_from: ['container:x']\n",
        "core.yml:4:20: services.web.volumes_from[0]: volumes of containers outside the group cannot be used. "
        "Name the volumes below volumes.",
    ),
    Case(
        "CPU time in two ways",
        WEB + "    cpu_quota: 5000\n    deploy: {resources: {limits: {cpus: 1}}}\n",
        "core.yml:4:5: services.web.cpu_quota: cpu_quota and cpus exclude each other. Keep cpus.",
    ),
    Case(
        "a label file that is not there",
        WEB + "    label_file: gone\n",
        "core.yml:4:5: services.web.label_file: the label file /nowhere/gone: there is no such file",
    ),
    Case(
        "several at once",
        WEB + '    ports: [eighty]\n    command: "\'"\n    depends_on: [db]\n',
        "core.yml:4:13: services.web.ports[0]: 'eighty' is not a container port. "
        + PORTS
        + "\n"
        + (
            'core.yml:5:5: services.web.command: "\'" is no command line: a quote, a backslash or a '
            "parenthesis is not closed. Write it as a list: [program, argument].\n"
        )
        + "core.yml:6:18: services.web.depends_on.db: there is no service db. Known here: web.",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_message(case: Case) -> None:
    variables = Variables({}, secrets=frozenset({"TOKEN"}))
    with pytest.raises(FleetError) as caught:
        load_text(case.text, "core.yml", "/nowhere", variables)
    assert str(caught.value) == case.message
