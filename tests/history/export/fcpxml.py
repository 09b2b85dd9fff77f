"""A schema of the part of FCPXML 1.8 that an edit needs, written from Apple's description of the format.

What it allows was held once against Apple's own definitions (``docs/export.md``), which are not ours to pass on.
"""

from __future__ import annotations

import xmlschema

__all__ = ["SCHEMA"]

_SCHEMA = """<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="time"><xs:restriction base="xs:string">
    <xs:pattern value="-?[0-9]+(/[1-9][0-9]*)?s"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="length"><xs:restriction base="xs:string">
    <xs:pattern value="[1-9][0-9]*(/[1-9][0-9]*)?s"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="flag"><xs:restriction base="xs:string">
    <xs:enumeration value="0"/><xs:enumeration value="1"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="counted"><xs:restriction base="xs:string">
    <xs:enumeration value="DF"/><xs:enumeration value="NDF"/></xs:restriction></xs:simpleType>
  <xs:complexType name="marker">
    <xs:attribute name="start" type="time" use="required"/><xs:attribute name="duration" type="length"/>
    <xs:attribute name="value" type="xs:string" use="required"/><xs:attribute name="note" type="xs:string"/></xs:complexType>
  <xs:complexType name="gap"><xs:sequence>
    <xs:element name="asset-clip" type="clip" minOccurs="0" maxOccurs="unbounded"/>
    <xs:element name="marker" type="marker" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
    <xs:attribute name="name" type="xs:string"/><xs:attribute name="offset" type="time" use="required"/>
    <xs:attribute name="start" type="time"/><xs:attribute name="duration" type="length" use="required"/></xs:complexType>
  <xs:complexType name="clip"><xs:sequence>
    <xs:element name="conform-rate" minOccurs="0"><xs:complexType>
      <xs:attribute name="scaleEnabled" type="flag"/>
      <xs:attribute name="srcFrameRate" use="required"><xs:simpleType><xs:restriction base="xs:string">
        <xs:pattern value="23.98|24|25|29.97|30|47.95|48|50|59.94|60|100|119.88|120"/></xs:restriction></xs:simpleType>
      </xs:attribute></xs:complexType></xs:element>
    <xs:element name="marker" type="marker" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
    <xs:attribute name="ref" type="xs:IDREF" use="required"/><xs:attribute name="lane" type="xs:integer"/>
    <xs:attribute name="offset" type="time" use="required"/><xs:attribute name="name" type="xs:string"/>
    <xs:attribute name="start" type="time"/><xs:attribute name="duration" type="length" use="required"/>
    <xs:attribute name="enabled" type="flag"/><xs:attribute name="format" type="xs:IDREF"/>
    <xs:attribute name="tcFormat" type="counted"/></xs:complexType>
  <xs:complexType name="mcclip"><xs:sequence>
    <xs:element name="mc-source" maxOccurs="unbounded"><xs:complexType>
      <xs:attribute name="angleID" type="xs:string" use="required"/>
      <xs:attribute name="srcEnable"><xs:simpleType><xs:restriction base="xs:string">
        <xs:enumeration value="all"/><xs:enumeration value="audio"/><xs:enumeration value="video"/>
        <xs:enumeration value="none"/></xs:restriction></xs:simpleType></xs:attribute></xs:complexType></xs:element>
    <xs:element name="marker" type="marker" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
    <xs:attribute name="ref" type="xs:IDREF" use="required"/><xs:attribute name="offset" type="time" use="required"/>
    <xs:attribute name="name" type="xs:string"/><xs:attribute name="start" type="time" use="required"/>
    <xs:attribute name="duration" type="length" use="required"/></xs:complexType>
  <xs:complexType name="transition">
    <xs:attribute name="name" type="xs:string"/><xs:attribute name="offset" type="time" use="required"/>
    <xs:attribute name="duration" type="length" use="required"/></xs:complexType>
  <xs:element name="fcpxml"><xs:complexType><xs:sequence>
    <xs:element name="resources"><xs:complexType><xs:choice maxOccurs="unbounded">
      <xs:element name="format"><xs:complexType>
        <xs:attribute name="id" type="xs:ID" use="required"/><xs:attribute name="frameDuration" type="length" use="required"/>
        <xs:attribute name="width" type="xs:positiveInteger" use="required"/>
        <xs:attribute name="height" type="xs:positiveInteger" use="required"/></xs:complexType></xs:element>
      <xs:element name="asset"><xs:complexType>
        <xs:attribute name="id" type="xs:ID" use="required"/><xs:attribute name="name" type="xs:string" use="required"/>
        <xs:attribute name="src" type="xs:anyURI" use="required"/><xs:attribute name="start" type="time" use="required"/>
        <xs:attribute name="duration" type="length" use="required"/><xs:attribute name="hasVideo" type="flag" use="required"/>
        <xs:attribute name="format" type="xs:IDREF" use="required"/><xs:attribute name="hasAudio" type="flag"/>
        <xs:attribute name="audioSources" type="xs:positiveInteger"/>
        <xs:attribute name="audioChannels" type="xs:positiveInteger"/>
        <xs:attribute name="audioRate" type="xs:positiveInteger"/></xs:complexType></xs:element>
      <xs:element name="media"><xs:complexType><xs:sequence>
        <xs:element name="multicam"><xs:complexType><xs:sequence>
          <xs:element name="mc-angle" maxOccurs="unbounded"><xs:complexType><xs:choice minOccurs="0" maxOccurs="unbounded">
            <xs:element name="gap" type="gap"/><xs:element name="asset-clip" type="clip"/></xs:choice>
            <xs:attribute name="name" type="xs:string"/>
            <xs:attribute name="angleID" type="xs:string" use="required"/></xs:complexType></xs:element></xs:sequence>
          <xs:attribute name="format" type="xs:IDREF" use="required"/><xs:attribute name="tcStart" type="time"/>
          <xs:attribute name="tcFormat" type="counted"/></xs:complexType></xs:element></xs:sequence>
        <xs:attribute name="id" type="xs:ID" use="required"/>
        <xs:attribute name="name" type="xs:string"/></xs:complexType></xs:element>
      </xs:choice></xs:complexType></xs:element>
    <xs:element name="library"><xs:complexType><xs:sequence>
      <xs:element name="event"><xs:complexType><xs:sequence>
        <xs:element name="project"><xs:complexType><xs:sequence>
          <xs:element name="sequence"><xs:complexType><xs:sequence>
            <xs:element name="spine"><xs:complexType><xs:choice minOccurs="0" maxOccurs="unbounded">
              <xs:element name="gap" type="gap"/><xs:element name="asset-clip" type="clip"/>
              <xs:element name="mc-clip" type="mcclip"/><xs:element name="transition" type="transition"/>
              </xs:choice></xs:complexType></xs:element></xs:sequence>
            <xs:attribute name="format" type="xs:IDREF" use="required"/>
            <xs:attribute name="duration" type="length" use="required"/><xs:attribute name="tcStart" type="time"/>
            <xs:attribute name="tcFormat" type="counted"/><xs:attribute name="audioLayout" type="xs:string"/>
            <xs:attribute name="audioRate" type="xs:string"/></xs:complexType></xs:element></xs:sequence>
          <xs:attribute name="name" type="xs:string"/></xs:complexType></xs:element></xs:sequence>
        <xs:attribute name="name" type="xs:string"/></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>
    </xs:sequence>
    <xs:attribute name="version" use="required" fixed="1.8"/></xs:complexType></xs:element>
</xs:schema>
"""  # noqa: E501

SCHEMA = xmlschema.XMLSchema(_SCHEMA)
