"""The air between BlueZ and a simulated peripheral, on bumble's controller and link.

    air = await Air.open("unix-server:/tmp/hci.sock")      # BlueZ' controller speaks H4 there
    lock = await Peripheral.create(air, "54:D2:72:01:02:03", services)
    await lock.advertise(adv, scan_rsp, interval_ms)

bumble 0.0.236's controller is short of a few things that a central running
BlueZ meets; SimController and SimLink add just those:
  * scan responses (bumble repeats the advertising data instead)
  * ACL data over a public address (bumble always takes the random address)
  * LE Create Connection Cancel (bumble answers but stays "connecting" for ever)
  * duplicate filtering, per scan period, by address and data
  * HCI Reset ends links and scanning
  * Write Commands to a characteristic without that property are dropped
Not modelled: supervision timeouts, connection intervals, lost packets.
"""
from __future__ import annotations

import asyncio
import dataclasses
import logging

from bumble import hci, ll
from bumble.controller import Controller, LegacyAdvertiser
from bumble.core import PhysicalTransport
from bumble.device import Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport import open_transport

log = logging.getLogger("blesim")

Properties = Characteristic.Properties
Permissions = Characteristic.Permissions
__all__ = ["Air", "Peripheral", "Service", "Characteristic", "CharacteristicValue", "Properties", "Permissions"]


@dataclasses.dataclass
class SimAdv(ll.AdvInd):
    scan_response: bytes = b""
    connectable: bool = True


class SimAdvertiser(LegacyAdvertiser):
    """Legacy advertising whose PDU carries the scan response along.

    Interval: bumble takes the HCI value as milliseconds; here it is 0.625 ms slots."""

    def _on_timer_fired(self) -> None:
        self.send_advertising_data()
        self.timer_handle = asyncio.get_running_loop().call_later(
            max(self.advertising_interval_min * 0.625, 20) / 1000.0, self._on_timer_fired)

    def send_advertising_data(self) -> None:
        if self.enabled:
            kind = hci.HCI_LE_Set_Advertising_Parameters_Command.AdvertisingType
            self.controller.send_advertising_pdu(SimAdv(
                self.address, bytes(self.advertising_data), bytes(self.scan_response_data),
                self.advertising_type == kind.ADV_IND))


class SimController(Controller):
    # a Bluetooth 5.0 LE-only controller without extended advertising and
    # without controller privacy: BlueZ then uses the legacy commands
    le_features = (hci.LeFeatureMask.LE_ENCRYPTION
                   | hci.LeFeatureMask.EXTENDED_REJECT_INDICATION
                   | hci.LeFeatureMask.PERIPHERAL_INITIATED_FEATURE_EXCHANGE
                   | hci.LeFeatureMask.LE_PING
                   | hci.LeFeatureMask.LE_DATA_PACKET_LENGTH_EXTENSION)
    acl_data_packet_length = 251
    le_acl_data_packet_length = 251
    supported_max_tx_octets = 251
    supported_max_rx_octets = 251
    rssi = -50

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.le_legacy_advertiser = SimAdvertiser(self)
        self.seen: set = set()
        self.reports = 0

    # -- scanning ---------------------------------------------------------
    def on_hci_le_set_scan_enable_command(self, command):
        self.seen.clear()
        return super().on_hci_le_set_scan_enable_command(command)

    def on_advertising_pdu(self, pdu):
        if not isinstance(pdu, SimAdv):
            return super().on_advertising_pdu(pdu)
        if self.le_scan_enable:
            key = (pdu.advertiser_address, pdu.data, pdu.scan_response)
            if not (self.filter_duplicates and key in self.seen):
                self.seen.add(key)
                kind = hci.HCI_LE_Advertising_Report_Event.EventType
                self._report(kind.ADV_IND if pdu.connectable else kind.ADV_NONCONN_IND, pdu.advertiser_address, pdu.data)
                if self.le_scan_type == 1 and pdu.connectable:   # active
                    self._report(kind.SCAN_RSP, pdu.advertiser_address, pdu.scan_response)
        pending = self.pending_le_connection
        if pending and pdu.connectable and pending.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def _report(self, kind, address, data):
        self.reports += 1
        self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([
            hci.HCI_LE_Advertising_Report_Event.Report(
                event_type=kind, address_type=address.address_type, address=address, data=data, rssi=self.rssi)]))

    # -- connecting -------------------------------------------------------
    def on_hci_le_create_connection_cancel_command(self, command):
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        asyncio.get_running_loop().call_soon(self.send_hci_packet, hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR, connection_handle=0, role=0,
            peer_address_type=pending.peer_address.address_type, peer_address=pending.peer_address,
            connection_interval=0, peripheral_latency=0, supervision_timeout=0, central_clock_accuracy=0))
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_reset_command(self, command):
        self.le_scan_enable = False
        self.pending_le_connection = None
        self.seen.clear()
        for connection in list(self.le_connections.values()):
            connection.send_ll_control_pdu(ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR))
        self.le_connections.clear()
        return super().on_hci_reset_command(command)

    def on_ll_control_pdu(self, sender_address, packet):
        if sender_address not in self.le_connections and isinstance(packet, ll.TerminateInd):
            return
        super().on_ll_control_pdu(sender_address, packet)


class SimLink(LocalLink):
    def send_acl_data(self, sender_controller, destination_address, transport, data):
        if transport != PhysicalTransport.LE:
            return super().send_acl_data(sender_controller, destination_address, transport, data)
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection and receiver:
            asyncio.get_running_loop().call_soon(
                receiver.on_link_acl_data, connection.self_address, transport, data)

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        if self.find_le_controller(receiver_address):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)


class Air:
    """The link layer, and BlueZ' adapters on it."""

    def __init__(self):
        self.link = SimLink()
        self.adapters = []      # (transport, controller)

    @classmethod
    async def open(cls, transport: str, address: str = "00:1A:7D:DA:71:13"):
        self = cls()
        await self.add_adapter(transport, address)
        return self

    async def add_adapter(self, transport: str, address: str):
        """Another adapter of BlueZ' on the same air."""
        opened = await open_transport(transport)
        adapter = SimController("adapter", host_source=opened.source, host_sink=opened.sink, link=self.link,
                                public_address=address)
        adapter.random_address = hci.Address(f"C0:00:00:00:00:{len(self.adapters) + 1:02X}")
        self.adapters.append((opened, adapter))


class Peripheral:
    """A peripheral with fixed services. Hears nothing itself: its user hangs handlers on `device`."""

    def __init__(self, address, device, controller):
        self.address, self.device, self.controller = address, device, controller
        self.advertised = None      # what to advertise whenever no central is connected
        self._applying = asyncio.Lock()

    @classmethod
    async def create(cls, air, address, services, name="sim", max_mtu=None):
        controller = SimController(name, link=air.link, public_address=address)
        config = DeviceConfiguration(name=name, address=hci.Address("F0:F1:F2:F3:F4:F5"),
                                     gap_service_enabled=True, gatt_service_enabled=True)
        host = Host()
        host.controller = controller
        device = Device(config=config, host=host)
        self = cls(address, device, controller)
        device.add_services(services)
        if max_mtu is not None:
            device.gatt_server.max_mtu = max_mtu
        await device.power_on()
        device.on("connection", lambda connection: connection.on("disconnection", self._disconnected))
        self._drop_write_commands()
        return self

    def _drop_write_commands(self):
        """bumble takes a Write Command for any characteristic; a real lock drops it."""
        server = self.device.gatt_server
        accept = server.on_att_write_command

        def write_command(bearer, request):
            attribute = server.get_attribute(request.attribute_handle)
            if isinstance(attribute, Characteristic) and not attribute.properties & Properties.WRITE_WITHOUT_RESPONSE:
                log.warning("a write command to %s was dropped: it has no write-without-response", attribute.uuid)
                return
            accept(bearer, request)
        server.on_att_write_command = write_command

    def _disconnected(self, _reason):
        self._restart = asyncio.get_running_loop().create_task(self._apply())   # a lock advertises again at once

    async def advertise(self, data, scan_response, interval_ms):
        """Replaces what is advertised, at once; or as soon as no link holds the peripheral."""
        self.advertised = (data, scan_response, interval_ms)
        await self._apply()

    async def _apply(self):
        async with self._applying:      # a lost link and a new advertisement may come together
            if self.advertised is None or self.device.connections:
                return
            data, scan_response, interval_ms = self.advertised
            if self.device.is_advertising:
                advertiser = self.controller.le_legacy_advertiser
                advertiser.advertising_data, advertiser.scan_response_data = data, scan_response
                advertiser.advertising_interval_min = interval_ms / 0.625
                return
            await self.device.start_advertising(
                own_address_type=hci.OwnAddressType.PUBLIC, advertising_data=data, scan_response_data=scan_response,
                advertising_interval_min=interval_ms, advertising_interval_max=interval_ms)

    async def stop(self):
        self.advertised = None
        if self.device.is_advertising:
            await self.device.stop_advertising()
