"""A CycloneDX CBOM: the protocols, suites, groups, keys and certificates that configurations serve.

CycloneDX 1.6 (https://cyclonedx.org/capabilities/cbom/), by the package ``cyclonedx-python-lib`` (the extra ``cbom``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.crypto import (
    AlgorithmProperties,
    CertificateProperties,
    CryptoAssetType,
    CryptoPrimitive,
    CryptoProperties,
    ProtocolProperties,
    ProtocolPropertiesCipherSuite,
    ProtocolPropertiesType,
)
from cyclonedx.output.json import JsonV1Dot6

from nginxtls.model.handshakes import group_name, key_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from nginxtls.model import Configuration
    from nginxtls.pki import Certificate
    from nginxtls.tls import Group, ServerKey, Suite


def render(configurations: Iterable[Configuration], at: datetime, version: str) -> str:
    """The CBOM as JSON, made by this ``version`` of nginxtls; equal configurations and times give equal texts."""
    assets = _Assets()
    for configuration in configurations:
        for endpoint in configuration.endpoint_groups:
            tls = endpoint.tls
            if not tls.accepts:
                continue
            groups = [assets.group(group) for group in tls.groups]
            for version, suites in tls.suites.items():
                assets.protocol(version, suites, groups)
        for bundle in configuration.bundles:
            for place, certificate in enumerate(bundle.bundle.certificates if bundle.bundle else ()):
                assets.certificate(certificate, bundle.path if place == 0 else "")
    components = assets.components()
    bom = Bom(components=components)
    bom.metadata.timestamp = at
    bom.metadata.component = Component(name="nginx", type=ComponentType.APPLICATION, bom_ref="nginx")
    bom.register_dependency(bom.metadata.component, components)
    bom.metadata.tools.components.add(Component(name="nginxtls", version=version, type=ComponentType.APPLICATION))
    bom.serial_number = uuid5(NAMESPACE_URL, " ".join(sorted(assets.found)))
    return JsonV1Dot6(bom).output_as_string(indent=2)


class _Assets:
    """Cryptographic assets by reference, each once."""

    def __init__(self) -> None:
        self.found: dict[str, Component] = {}
        self.versions: dict[str, tuple[dict[Suite, None], dict[BomRef, None]]] = {}

    def components(self) -> list[Component]:
        """All assets; a protocol version has the suites and groups of every endpoint."""
        for version, (suites, groups) in self.versions.items():
            properties = ProtocolProperties(
                type=ProtocolPropertiesType.TLS,
                version=version.removeprefix("TLSv") if version != "TLSv1" else "1.0",
                cipher_suites=[
                    ProtocolPropertiesCipherSuite(name=suite.iana, identifiers=[f"0x{suite.number:04X}"])
                    for suite in suites
                ],
                crypto_refs=groups,
            )
            self._add(
                f"protocol/{version}", version, CryptoProperties(
                    asset_type=CryptoAssetType.PROTOCOL, protocol_properties=properties
                )
            )  # fmt: skip
        return list(self.found.values())

    def protocol(self, version: str, suites: Iterable[Suite], groups: Iterable[BomRef]) -> None:
        """Note what is served in a protocol version."""
        known, refs = self.versions.setdefault(version, ({}, {}))
        known.update(dict.fromkeys(suites))
        refs.update(dict.fromkeys(groups))

    def group(self, group: Group) -> BomRef:
        """A group of the key exchange."""
        primitive = CryptoPrimitive.COMBINER if group.hybrid else CryptoPrimitive.KEY_AGREE
        properties = AlgorithmProperties(
            primitive=CryptoPrimitive.KEM if group.post_quantum and not group.hybrid else primitive,
            parameter_set_identifier=group_name(group),
            classical_security_level=group.bits,
            # ML-KEM-512, 768 and 1024 are of NIST's categories 1, 3 and 5 (FIPS 203).
            nist_quantum_security_level=_category(group),
        )
        return self._algorithm(f"group/{group_name(group)}", group_name(group), properties)

    def key(self, key: ServerKey) -> BomRef:
        """The algorithm of a certificate's key."""
        properties = AlgorithmProperties(
            primitive=CryptoPrimitive.SIGNATURE,
            parameter_set_identifier=str(key.bits) if key.bits and key.kind != "EC" else None,
            curve=key.curve,
            classical_security_level=key.security_bits,
            nist_quantum_security_level=0,
        )
        return self._algorithm(f"key/{key_text(key)}", key_text(key), properties)

    def signature(self, name: str) -> BomRef:
        """The algorithm that signed a certificate."""
        properties = AlgorithmProperties(primitive=CryptoPrimitive.SIGNATURE)
        return self._algorithm(f"signature/{name}", name, properties)

    def certificate(self, certificate: Certificate, path: str) -> None:
        """A certificate, with the file of a leaf as its description."""
        dated = certificate.has_dates
        properties = CertificateProperties(
            subject_name=certificate.subject,
            issuer_name=certificate.issuer,
            not_valid_before=certificate.not_before if dated else None,
            not_valid_after=certificate.not_after if dated else None,
            signature_algorithm_ref=self.signature(certificate.signature_algorithm),
            subject_public_key_ref=self.key(certificate.key),
            certificate_format="X.509",
        )
        made = CryptoProperties(asset_type=CryptoAssetType.CERTIFICATE, certificate_properties=properties)
        self._add(f"certificate/{certificate.sha256}", certificate.subject_name, made, path)

    def _algorithm(self, reference: str, name: str, properties: AlgorithmProperties) -> BomRef:
        made = CryptoProperties(asset_type=CryptoAssetType.ALGORITHM, algorithm_properties=properties)
        return self._add(reference, name, made)

    def _add(self, reference: str, name: str, properties: CryptoProperties, description: str = "") -> BomRef:
        if reference not in self.found:
            self.found[reference] = Component(
                name=name,
                type=ComponentType.CRYPTOGRAPHIC_ASSET,
                bom_ref=reference,
                description=description or None,
                crypto_properties=properties,
            )
        return self.found[reference].bom_ref


def _category(group: Group) -> int:
    if not group.post_quantum:
        return 0
    return 5 if "1024" in group.name else 1 if "512" in group.name else 3
